//! Credentials for people who try a dialect out, made from the configuration.

mod check;
mod live;

use std::time::Duration;

use jsonwebtoken::{EncodingKey, Header, encode};
use serde::{Deserialize, Serialize};

use super::wstoken::KeySet;
use crate::{
    config::{Algorithm, Config, Device, Im, Ride, RideTokens, Room, Secret, TokenKey},
    id::Person,
};

/// How long a credential lasts that nobody gave a time.
pub const TTL: Duration = Duration::from_secs(60 * 60);

/// What a credential is wanted for.
#[derive(Clone, Deserialize, Serialize)]
#[serde(tag = "dialect", rename_all = "lowercase", deny_unknown_fields)]
pub enum TokenRequest {
    /// For the `ride` dialect.
    Ride {
        /// The client id; one of a configured backend gets that one's secret.
        client_id: String,
        /// The token, which is the user's address.
        #[serde(default)]
        token: Option<String>,
        /// How long a signed one lasts.
        #[serde(default = "ttl_seconds")]
        ttl_seconds: u64,
    },
    /// For the `im` dialect.
    Im {
        /// The user.
        id: u64,
    },
    /// For the `live` dialect.
    Live {
        /// The user's id.
        user: String,
        /// `wechatUser` or `wall`.
        r#type: String,
        /// The code of the room.
        #[serde(default)]
        code: String,
        /// The nickname.
        #[serde(default)]
        nickname: String,
        /// How long a signed one lasts.
        #[serde(default = "ttl_seconds")]
        ttl_seconds: u64,
    },
    /// For the `device` dialect.
    Device {
        /// The user.
        user: String,
        /// Devices to watch.
        #[serde(default)]
        devices: Vec<String>,
        /// Rooms to join.
        #[serde(default)]
        rooms: Vec<String>,
        /// Topics to publish to; a trailing `*` stands for any ending.
        #[serde(default)]
        publish: Vec<String>,
        /// How long it lasts.
        #[serde(default = "ttl_seconds")]
        ttl_seconds: u64,
    },
    /// For the `room` dialect.
    Room {
        /// The user.
        user: String,
        /// Rooms to join.
        #[serde(default)]
        rooms: Vec<String>,
        /// Whether the user takes customers.
        #[serde(default)]
        agent: bool,
        /// What people call the user.
        #[serde(default)]
        name: Option<String>,
        /// How long it lasts.
        #[serde(default = "ttl_seconds")]
        ttl_seconds: u64,
    },
}

/// Why there is no credential.
#[allow(missing_docs)] // The messages say it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum IssueError {
    #[error("dialect.{0}.enabled: is false, so there is nothing to log in to")]
    Disabled(&'static str),
    #[error("dialect.ride.tokens: is \"hook\", so the service behind the hook makes the tokens")]
    Hook,
    #[error("{0}")]
    NoKey(&'static str),
    #[error("{option}: {problem}")]
    Unusable {
        /// As the command line calls it.
        option: &'static str,
        problem: String,
    },
    #[error("the keys of the im dialect cannot be had now: {0}")]
    Unavailable(Box<str>),
    #[error("the token cannot be signed")]
    Signature(#[source] jsonwebtoken::errors::Error),
}

/// The claims of a token. What is empty is left out.
#[derive(Default, Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iat: u64,
    exp: u64,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    devices: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    rooms: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    publish: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
}

/// Makes a credential that a client can log in with: a token, or a query.
///
/// # Errors
///
/// A request that could never be accepted, or a configuration without the key to sign it.
pub fn issue(
    config: &Config,
    request: &TokenRequest,
    unix_seconds: u64,
) -> Result<String, IssueError> {
    request.check()?;
    match request {
        TokenRequest::Ride {
            client_id,
            token,
            ttl_seconds,
        } => ride(
            &config.dialect.ride,
            client_id,
            token.as_deref(),
            Validity::new(unix_seconds, *ttl_seconds),
        ),
        TokenRequest::Im { id } => im(&config.dialect.im, person(*id)?, unix_seconds),
        TokenRequest::Live { .. } => live::live(&config.dialect.live, request, unix_seconds),
        TokenRequest::Device {
            user,
            devices,
            rooms,
            publish,
            ttl_seconds,
        } => {
            let claims = Claims {
                devices,
                rooms,
                publish,
                ..Validity::new(unix_seconds, *ttl_seconds).claims(user)
            };
            device(&config.dialect.device, &claims)
        }
        TokenRequest::Room {
            user,
            rooms,
            agent,
            name,
            ttl_seconds,
        } => {
            let claims = Claims {
                rooms,
                role: agent.then_some("agent"),
                name: name.as_deref(),
                ..Validity::new(unix_seconds, *ttl_seconds).claims(user)
            };
            room(&config.dialect.room, &claims)
        }
    }
}

fn ride(
    settings: &Ride,
    client_id: &str,
    token: Option<&str>,
    validity: Validity,
) -> Result<String, IssueError> {
    if !settings.mount.enabled {
        return Err(IssueError::Disabled("ride"));
    }
    if let Some(secret) = settings.backends.get(client_id) {
        return Ok(query(client_id, secret.expose()));
    }
    let Some(token) = token else {
        return Err(IssueError::Unusable {
            option: "--token",
            problem: "is missing, expected the address of the user".to_owned(),
        });
    };
    match settings.tokens {
        None | Some(RideTokens::Any) => Ok(query(client_id, token)),
        Some(RideTokens::Hook) => Err(IssueError::Hook),
        Some(RideTokens::Jwt) => {
            let claims = validity.claims(token);
            let secret = shared_secret(&settings.keys).ok_or(IssueError::NoKey(
                "dialect.ride.keys: has no key of alg \"HS256\", so somebody else signs the tokens",
            ))?;
            sign(&claims, Algorithm::Hs256, secret)
        }
    }
}

/// With a key of the configuration; others are the node's to use.
fn im(settings: &Im, person: Person, unix_seconds: u64) -> Result<String, IssueError> {
    if !settings.mount.enabled {
        return Err(IssueError::Disabled("im"));
    }
    let keys = KeySet::new([], settings.private_key.as_ref().map(Secret::expose));
    keys.sign(person, unix_seconds, settings.token_max_age)
}

fn device(settings: &Device, claims: &Claims<'_>) -> Result<String, IssueError> {
    if !settings.mount.enabled {
        return Err(IssueError::Disabled("device"));
    }
    if let Some(secret) = shared_secret(&settings.keys) {
        return sign(claims, Algorithm::Hs256, secret);
    }
    match &settings.private_key {
        Some(private_key) => sign(claims, Algorithm::Rs256, private_key),
        None => Err(IssueError::NoKey(
            "dialect.device: has neither a key of alg \"HS256\" nor a private_key, so somebody else \
             signs the tokens",
        )),
    }
}

fn room(settings: &Room, claims: &Claims<'_>) -> Result<String, IssueError> {
    if !settings.mount.enabled {
        return Err(IssueError::Disabled("room"));
    }
    let secret = shared_secret(&settings.keys).ok_or(IssueError::NoKey(
        "dialect.room.keys: has no key of alg \"HS256\", so somebody else signs the tokens",
    ))?;
    sign(claims, Algorithm::Hs256, secret)
}

fn shared_secret(keys: &[TokenKey]) -> Option<&Secret> {
    let shared = keys.iter().filter(|key| key.alg == Algorithm::Hs256);
    shared.filter_map(|key| key.secret.as_ref()).next()
}

fn sign(claims: &impl Serialize, alg: Algorithm, key: &Secret) -> Result<String, IssueError> {
    let key = key.expose().as_bytes();
    let (alg, key) = match alg {
        Algorithm::Hs256 => (
            jsonwebtoken::Algorithm::HS256,
            EncodingKey::from_secret(key),
        ),
        Algorithm::Rs256 => (
            jsonwebtoken::Algorithm::RS256,
            EncodingKey::from_rsa_pem(key).map_err(IssueError::Signature)?,
        ),
    };
    encode(&Header::new(alg), claims, &key).map_err(IssueError::Signature)
}

fn query(client_id: &str, token: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", client_id)
        .append_pair("token", token)
        .finish()
}

/// The user of the `im` dialect with this number.
///
/// # Errors
///
/// Nobody can have it.
pub fn person(id: u64) -> Result<Person, IssueError> {
    Person::new(id).ok_or_else(|| IssueError::Unusable {
        option: "--id",
        problem: format!("{id} is not usable, expected a whole number from 1 to 2^63 - 2"),
    })
}

const fn ttl_seconds() -> u64 {
    TTL.as_secs()
}

/// When a token is good, in Unix seconds.
#[derive(Clone, Copy)]
struct Validity {
    from: u64,
    to: u64,
}

impl Validity {
    fn new(from: u64, seconds: u64) -> Self {
        let to = from.saturating_add(seconds);
        Self { from, to }
    }

    /// The claims of a token for a user, who may nothing yet.
    fn claims(self, user: &str) -> Claims<'_> {
        Claims {
            sub: user,
            iat: self.from,
            exp: self.to,
            ..Claims::default()
        }
    }
}

/// A `ride` token is an address that only its user should know.
impl std::fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ride { .. } => "Ride(..)",
            Self::Im { .. } => "Im(..)",
            Self::Live { .. } => "Live(..)",
            Self::Device { .. } => "Device(..)",
            Self::Room { .. } => "Room(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, decode};
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{Generated, Source};

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    fn config(ride: &str) -> Config {
        let text = format!(
            "[dialect.ride]\n{ride}\n[dialect.device]\n\
             keys = [{{ alg = \"HS256\", secret = {SECRET:?} }}]"
        );
        Config::from_source(&Source::from_text(text), &Generated::new()).unwrap()
    }

    #[track_caller]
    fn request(value: Value) -> TokenRequest {
        serde_json::from_value(value).unwrap()
    }

    #[track_caller]
    fn claims(token: &str, secret: &str) -> Value {
        let mut validation = Validation::new(jsonwebtoken::Algorithm::HS256);
        validation.validate_exp = false;
        let key = DecodingKey::from_secret(secret.as_bytes());
        decode(token, &key, &validation).unwrap().claims
    }

    #[test]
    fn a_device_token_carries_what_was_asked_for() {
        let config = config("tokens = \"any\"\nrealm = \"r\"");
        let request = request(json!({
            "dialect": "device", "user": "42", "devices": ["d1"], "rooms": ["x"],
            "publish": ["room:x", "room:device/*"], "ttl_seconds": 60,
        }));
        let token = issue(&config, &request, 1000).unwrap();
        assert_eq!(
            claims(&token, SECRET),
            json!({
                "sub": "42", "iat": 1000, "exp": 1060, "devices": ["d1"], "rooms": ["x"],
                "publish": ["room:x", "room:device/*"],
            })
        );
    }

    #[test]
    fn a_room_token_carries_what_was_asked_for() {
        let text = format!(
            "dialect.ride.enabled = false\ndialect.device.enabled = false\n\
             [dialect.room]\nkeys = [{{ alg = \"HS256\", secret = {SECRET:?} }}]"
        );
        let config = Config::from_source(&Source::from_text(text), &Generated::new()).unwrap();
        let made = |value: Value| {
            let token = issue(&config, &request(value), 1000).unwrap();
            claims(&token, SECRET)
        };
        assert_eq!(
            made(
                json!({"dialect": "room", "user": "4", "rooms": ["x"], "agent": true,
                        "name": "李", "ttl_seconds": 60})
            ),
            json!({"sub": "4", "iat": 1000, "exp": 1060, "rooms": ["x"], "role": "agent",
                   "name": "李"})
        );
        assert_eq!(
            made(json!({"dialect": "room", "user": "4"})),
            json!({"sub": "4", "iat": 1000, "exp": 4600})
        );
    }

    #[test]
    fn a_room_token_of_an_impossible_user_room_or_name_is_refused_and_none_is_made_without_a_key() {
        let config = config("tokens = \"any\"\nrealm = \"r\"");
        for (value, expect) in [
            (json!({"user": ""}), "--user"),
            (json!({"user": "1", "rooms": ["r".repeat(101)]}), "--room"),
            (json!({"user": "1", "name": ""}), "--name"),
            (json!({"user": "1", "name": "a\n"}), "--name"),
            (json!({"user": "1", "name": "x".repeat(101)}), "--name"),
        ] {
            let mut value = value;
            value["dialect"] = "room".into();
            let error = issue(&config, &request(value), 0).unwrap_err();
            let IssueError::Unusable { option, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(option, expect);
        }
        let wanted = request(json!({"dialect": "room", "user": "1"}));
        let off = issue(&config, &wanted, 0).unwrap_err();
        assert_eq!(off, IssueError::Disabled("room"));
        let mut config = config;
        config.dialect.room.mount.enabled = true;
        let none = issue(&config, &wanted, 0).unwrap_err();
        assert!(matches!(none, IssueError::NoKey(_)));
    }

    #[test]
    fn a_device_token_is_signed_with_the_private_key_where_there_is_no_shared_one() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        let text = format!(
            "dialect.ride.enabled = false\n[dialect.device]\nprivate_key = '''{}'''\n\
             keys = [{{ alg = \"RS256\", public_key = '''{}''' }}]",
            pair.serialize_pem(),
            pair.public_key_pem()
        );
        let config = Config::from_source(&Source::from_text(text), &Generated::new()).unwrap();
        let request = request(json!({"dialect": "device", "user": "42"}));
        let token = issue(&config, &request, 1000).unwrap();
        let mut validation = Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.validate_exp = false;
        let key = DecodingKey::from_rsa_pem(pair.public_key_pem().as_bytes()).unwrap();
        let claims: Value = decode(&token, &key, &validation).unwrap().claims;
        assert_eq!(claims["sub"], "42");
    }

    #[test]
    fn a_device_token_of_an_impossible_user_room_or_topic_is_refused() {
        let config = config("tokens = \"any\"\nrealm = \"r\"");
        for (value, expect) in [
            (json!({"user": ""}), "--user"),
            (json!({"user": "1", "rooms": ["r".repeat(101)]}), "--room"),
            (json!({"user": "1", "devices": [""]}), "--device"),
            (json!({"user": "1", "devices": ["a\nb"]}), "--device"),
            (json!({"user": "1", "publish": ["x"]}), "--publish"),
            (json!({"user": "1", "publish": ["x:*"]}), "--publish"),
        ] {
            let mut value = value;
            value["dialect"] = "device".into();
            let error = issue(&config, &request(value), 0).unwrap_err();
            let IssueError::Unusable { option, .. } = error else {
                panic!("{error}");
            };
            assert_eq!(option, expect);
        }
    }

    #[test]
    fn an_im_token_is_signed_with_the_private_key_and_lasts_as_long_as_they_do() {
        let pair = crate::config::rsa::PrivateKey::make(2048).unwrap();
        let pem = pair.to_pem().unwrap();
        let mut config = config("enabled = false");
        let wanted = request(json!({"dialect": "im", "id": 42}));
        config.dialect.im.mount.enabled = false;
        let off = issue(&config, &wanted, 0).unwrap_err();
        assert_eq!(off, IssueError::Disabled("im"));
        config.dialect.im.mount.enabled = true;
        let none = issue(&config, &wanted, 0).unwrap_err();
        assert!(matches!(none, IssueError::NoKey(_)));
        config.dialect.im.private_key = Some(pem.private);
        let token = issue(&config, &wanted, 1000).unwrap();
        let mut validation = Validation::new(jsonwebtoken::Algorithm::RS256);
        validation.validate_exp = false;
        let key = DecodingKey::from_rsa_pem(pem.public.as_bytes()).unwrap();
        let mut claims: Value = decode(&token, &key, &validation).unwrap().claims;
        assert_ne!(issue(&config, &wanted, 1000).unwrap(), token);
        assert_eq!(claims["jti"].take().as_str().unwrap().len(), 32);
        let expect = json!({"id": 42, "type": "websocket", "iat": 1000, "exp": 1120, "jti": null});
        assert_eq!(claims, expect);
        for id in [0, u64::MAX] {
            let error = TokenRequest::Im { id }.check().unwrap_err();
            assert!(error.to_string().starts_with("--id: "), "{error}");
        }
        assert_eq!(format!("{wanted:?}"), "Im(..)");
    }

    #[test]
    fn a_ride_credential_is_a_query_or_a_token() {
        let driver = json!({"dialect": "ride", "client_id": "driver_1", "token": "a b&c"});
        let any = config("tokens = \"any\"\nrealm = \"r\"\nbackends = { flask = \"s3cret\" }");
        let query = issue(&any, &request(driver.clone()), 0).unwrap();
        assert_eq!(query, "client_id=driver_1&token=a+b%26c");
        let backend = json!({"dialect": "ride", "client_id": "flask"});
        let query = issue(&any, &request(backend), 0).unwrap();
        assert_eq!(query, "client_id=flask&token=s3cret");

        let keys = format!("tokens = \"jwt\"\nkeys = [{{ alg = \"HS256\", secret = {SECRET:?} }}]");
        let token = issue(&config(&keys), &request(driver.clone()), 5).unwrap();
        let expect = json!({"sub": "a b&c", "iat": 5, "exp": 3605});
        assert_eq!(claims(&token, SECRET), expect);

        let hook = config("tokens = \"hook\"\nhook = { url = \"http://h/\" }");
        let error = issue(&hook, &request(driver), 0).unwrap_err();
        assert_eq!(error, IssueError::Hook);
        let nobody = json!({"dialect": "ride", "client_id": "x"});
        assert!(issue(&any, &request(nobody), 0).is_err());
    }

    #[test]
    fn nothing_is_issued_for_a_dialect_that_is_off() {
        let config = config("enabled = false");
        let request = request(json!({"dialect": "ride", "client_id": "a", "token": "t"}));
        let error = issue(&config, &request, 0).unwrap_err();
        assert_eq!(error, IssueError::Disabled("ride"));
    }
}
