//! Tokens of clients, signed here: the endpoint that gives those of `im` out takes so many requests and no more.

mod pass;

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

pub use self::pass::Passes;

const HEADER: &str = r#"{"alg":"RS256","typ":"JWT"}"#;
/// Seconds that a token is good for: as long as servers accept.
const LIFE: u64 = 120;

/// Signs tokens of `im`, whose users are numbers in a row.
pub struct Signer {
    pair: RsaKeyPair,
    header: String,
    first_user: usize,
}

impl Signer {
    /// Signs with the key of this file, PKCS#8 or PKCS#1 in PEM. Client 0 is `first_user`.
    ///
    /// # Errors
    /// One line, when there is no such key.
    pub fn new(file: &Path, first_user: usize) -> Result<Self, String> {
        let text = fs::read_to_string(file);
        let text = text.map_err(|error| format!("--im-key {}: {error}", file.display()))?;
        let none = || format!("--im-key {}: no RSA key in PEM", file.display());
        let pair = of_pem(&text).ok_or_else(none)?;
        Ok(Self {
            pair,
            header: URL_SAFE_NO_PAD.encode(HEADER),
            first_user,
        })
    }

    /// The user that a client is.
    #[must_use]
    pub fn user(&self, client: usize) -> usize {
        self.first_user + client
    }

    /// A token of a client, good from now on; `None` if the system has no random numbers.
    #[must_use]
    pub fn token(&self, client: usize) -> Option<String> {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let (now, user) = (since_epoch.ok()?.as_secs(), self.user(client));
        let claims = format!(
            r#"{{"id":{user},"type":"websocket","iat":{now},"exp":{}}}"#,
            now + LIFE
        );
        let mut token = format!("{}.{}", self.header, URL_SAFE_NO_PAD.encode(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        let signed = self
            .pair
            .sign(&RSA_PKCS1_SHA256, &random, token.as_bytes(), &mut signature);
        signed.ok()?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Some(token)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

fn of_pem(text: &str) -> Option<RsaKeyPair> {
    let lines = text.lines().map(str::trim);
    let body: String = lines.filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(body).ok()?;
    let pair = RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der));
    pair.ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_token_is_signed_by_the_key_and_names_the_user() {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der.as_ref())
        );
        let file = std::env::temp_dir().join(format!("loadtest-{}.pem", std::process::id()));
        fs::write(&file, pem).unwrap();
        let signer = Signer::new(&file, 40);
        fs::remove_file(&file).unwrap();
        let token = signer.unwrap().token(2).unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key());
        assert!(public.verify(signed.as_bytes(), &signature).is_ok());
        let claims = signed.rsplit_once('.').unwrap().1;
        let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        assert!(
            claims.starts_with(r#"{"id":42,"type":"websocket","iat":"#),
            "{claims}"
        );
    }

    #[test]
    fn what_is_no_key_is_told_in_one_line() {
        assert!(of_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----").is_none());
        let error = Signer::new(Path::new("/nowhere/key.pem"), 1).unwrap_err();
        assert!(error.contains("/nowhere/key.pem") && !error.contains('\n'));
    }
}
