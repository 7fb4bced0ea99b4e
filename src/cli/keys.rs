//! `tidegate keys`: keys for tokens.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use super::{Done, Failure, args::Keys};
use crate::config::rsa::{MakeKeyError, PrivateKey};

/// File of the key that signs.
const PRIVATE: &str = "im.pem";
/// File of the key that checks.
const PUBLIC: &str = "im.pub.pem";

/// Makes a pair of keys and writes it into two files that are not there yet.
pub(super) fn keys(wanted: &Keys) -> Done {
    let Keys::Im { bits, out } = wanted;
    let (private, public) = (out.join(PRIVATE), out.join(PUBLIC));
    for path in [&private, &public] {
        // Before the work is done, and before one of two is written.
        if path.symlink_metadata().is_ok() {
            let path = path.display();
            return Err(Failure::failed(format!("{path} is there already")));
        }
    }
    let pair = PrivateKey::make(*bits).map_err(|error| match error {
        MakeKeyError::Bits(_) => Failure::wrong(format!("--bits: {error}")),
        MakeKeyError::Library => Failure::failed(error),
    })?;
    let pair = pair.to_pem().map_err(Failure::failed)?;
    fs::create_dir_all(out)
        .map_err(|error| Failure::failed(format!("{}: {error}", out.display())))?;
    write(&private, pair.private.expose(), 0o600)?;
    write(&public, &pair.public, 0o644)?;
    let (private, public) = (private.display(), public.display());
    Ok(format!(
        "{private} signs tokens; keep it secret. {public} checks them.\n\
         For nodes that give out tokens:\n  \
         [dialect.im]\n  private_key_file = {private:?}\n\
         For nodes that only check them:\n  \
         [dialect.im]\n  public_key_files = [{public:?}]",
        private = private.to_string(),
        public = public.to_string(),
    ))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), Failure> {
    let write = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(mode);
        let mut file = options.open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::{
        auth::issue::{TokenRequest, issue},
        cli::Code,
        config::{Config, Generated, Source, rsa::PublicKey},
    };

    fn wanted(bits: u32, out: &Path) -> Keys {
        Keys::Im {
            bits,
            out: out.to_owned(),
        }
    }

    #[test]
    fn the_keys_can_be_used_as_the_command_says() {
        let folder = tempfile::tempdir().unwrap();
        let text = keys(&wanted(2048, folder.path())).unwrap();
        let path = folder.path().join(PRIVATE);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let pem = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&pem[40..80]), "{text}");
        let public = fs::read_to_string(folder.path().join(PUBLIC)).unwrap();
        let pair = PrivateKey::from_pem(&pem).unwrap();
        assert_eq!(PublicKey::from_pem(&public), Some(pair.public()));
        // Both tables of what it prints, as one.
        let lines = text.lines().filter(|line| line.contains(" = "));
        let table: String = lines.map(|line| format!("{}\n", line.trim())).collect();
        let base = "dialect.ride.enabled = false\ndialect.device.enabled = false\n[dialect.im]\n";
        let source = Source::from_text(format!("{base}{table}"));
        let mut config = Config::from_source(&source, &Generated::new()).unwrap();
        config.dialect.im.mount.enabled = true;
        issue(&config, &TokenRequest::Im { id: 42 }, 1000).unwrap();
    }

    #[test]
    fn nothing_is_written_over() {
        for name in [PRIVATE, PUBLIC] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join(name);
            fs::write(&path, "mine").unwrap();
            let failure = keys(&wanted(2048, folder.path())).unwrap_err();
            assert_eq!(failure.code, Code::Failed);
            assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_length_that_is_none_is_wrong_usage() {
        let folder = tempfile::tempdir().unwrap();
        let failure = keys(&wanted(1024, folder.path())).unwrap_err();
        assert_eq!(failure.code, Code::Wrong);
        assert!(failure.text.starts_with("--bits: is 1024, expected 2048"));
    }
}
