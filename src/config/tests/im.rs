//! The keys of the `im` dialect.

use super::*;
use crate::config::rsa::{BITS, PemPair, PrivateKey};

static PAIR: LazyLock<PemPair> = LazyLock::new(|| {
    let pair = PrivateKey::make(BITS).unwrap();
    pair.to_pem().unwrap()
});

const MISSING: &str = "dialect.im.public_keys: is missing, expected an RSA public key of 2048 to \
                       8192 bits, PEM, or dialect.im.private_key, or cluster.redis, whose strings \
                       publicKey and privateKey are used then";

/// What is said about the keys, whatever else is.
fn about_keys(text: &str) -> Vec<String> {
    let source = source(&format!("{text}\n{SOUND}"), &[]);
    let Err(error) = Config::from_source(&source, &GENERATED) else {
        return Vec::new();
    };
    let lines = error.to_string();
    let lines = lines.lines().filter(|line| line.contains("key"));
    lines.map(str::to_owned).collect()
}

#[test]
fn keys_may_stand_in_the_file_or_in_others() {
    let public = TestFile::new(&PAIR.public);
    let private = TestFile::new(PAIR.private.expose());
    let text = format!(
        "[dialect.im]\npublic_keys = ['''{}''']\npublic_key_files = [{:?}]\n\
         private_key_file = {:?}",
        PAIR.public,
        public.path(),
        private.path()
    );
    let im = sound(&text, &[]).dialect.im;
    assert!(im.has_keys());
    assert_eq!(im.public_keys().collect::<Vec<_>>(), [&PAIR.public; 2]);
    assert!(!format!("{im:?}").contains(&PAIR.private.expose()[40..80]));
}

#[test]
fn a_key_that_cannot_be_used_is_named_and_not_shown() {
    let good = PAIR.public.replace('\n', "\\n");
    let bad = TestFile::new("hunter2");
    let private = TestFile::new(&format!("{}hunter2", &PAIR.private.expose()[..200]));
    let text = format!(
        "[dialect.im]\npublic_keys = [\"{good}\", \"hunter2\"]\n\
         public_key_files = [\"/nowhere/key.pem\", {:?}]\nprivate_key_file = {:?}",
        bad.path(),
        private.path()
    );
    let found = mistakes(&text, &[]);
    let expect = [
        "dialect.im.public_key_files[0]: is /nowhere/key.pem, which cannot be read: ".to_owned(),
        "dialect.im.public_keys[1]: is not usable, expected an RSA public key".to_owned(),
        format!(
            "dialect.im.public_key_files[1]: is {}, which does not hold an RSA public key",
            bad.path()
        ),
        "dialect.im.private_key: is not usable, expected an RSA private key".to_owned(),
    ];
    assert_eq!(found.len(), expect.len(), "{found:#?}");
    for (found, expect) in found.iter().zip(&expect) {
        assert!(found.starts_with(expect), "{found}");
        assert!(!found.contains("hunter2"), "{found}");
    }
}

#[test]
fn switched_on_it_needs_keys_unless_they_can_be_elsewhere() {
    let on = "dialect.im.enabled = true\n";
    assert_eq!(about_keys(on), [MISSING]);
    let key = format!("dialect.im.public_keys = ['''{}''']\n", PAIR.public);
    for more in [
        "development = true\n",
        "cluster.redis = \"redis://127.0.0.1:1\"\n",
        &key,
    ] {
        assert!(about_keys(&format!("{on}{more}")).is_empty(), "{more}");
    }
}

#[test]
fn who_does_not_speak_of_it_has_it_where_there_can_be_keys() {
    let enabled = |text: &str| sound(text, &[]).dialect.im.mount.enabled;
    let key = format!("dialect.im.public_keys = ['''{}''']\n", PAIR.public);
    assert!(!enabled(""));
    for text in [
        "development = true",
        "cluster.redis = \"redis://127.0.0.1:1\"",
        &key,
    ] {
        assert!(enabled(text), "{text}");
        assert!(!enabled(&format!("dialect.im.enabled = false\n{text}")));
    }
}

#[test]
fn keys_are_taken_over_by_a_reload_and_the_switch_is_not() {
    let before = sound("", &[]);
    let text = format!(
        "dialect.im.public_keys = ['''{}''']\ndialect.im.tokens_per_second = 0",
        PAIR.public
    );
    let mut next = sound(&text, &[]);
    // As the keys do where the dialect is there.
    next.dialect.im.mount.enabled = true;
    next.dialect.im.wanted = Some(true);
    let changes = before.diff(&next);
    assert_eq!(changes.needs_restart, ["dialect.im.enabled"]);
    assert_eq!(
        changes.applied,
        ["dialect.im.public_keys", "dialect.im.tokens_per_second"]
    );
    let taken = before.taken_over(next.clone());
    assert!(taken.dialect.im.has_keys());
    assert!(!taken.dialect.im.mount.enabled);
    // It is named again.
    assert_eq!(taken.diff(&next).needs_restart, ["dialect.im.enabled"]);
}
