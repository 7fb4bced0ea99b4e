//! What a node in development mode says at its start: how to try it.

use std::path::Path;

use crate::{
    app::Addresses,
    config::{Config, RIDE_BACKEND, Secret},
};

/// Throw-away credentials, where everything is, and commands to paste; `program` is how this one was
/// called, `file` its configuration.
pub fn welcome(
    config: &Config,
    addresses: &Addresses,
    program: &Path,
    file: Option<&Path>,
) -> String {
    let Addresses { public, admin } = addresses;
    let made = &config.throw_away;
    let mut lines = vec![
        "Tidegate runs in development mode: for this machine only, and whoever is on it."
            .to_owned(),
        String::new(),
    ];
    let mut row = |name: &str, value: String| lines.push(format!("  {name:<14} {value}"));
    let scheme = if config.listen.tls.is_some() {
        "https"
    } else {
        "http"
    };
    if let Some(address) = public.first() {
        row("demo page", format!("{scheme}://{address}/"));
    }
    row("HTTP API", format!("http://{admin}/api/"));
    if let Some(key) = &made.api_key {
        row("API key", key.expose().to_owned());
    }
    if let Some(secret) = &made.ride_backend {
        let credentials = format!("client_id={RIDE_BACKEND}&token={}", secret.expose());
        row("ride backend", credentials);
    }
    if let Some(key) = &made.live_key {
        row("live key", key.expose().to_owned());
    }
    if let Some(secret) = &made.device_secret {
        row("device secret", secret.expose().to_owned());
    }
    if let Some(secret) = &made.room_secret {
        row("room secret", secret.expose().to_owned());
    }
    if !made.is_empty() {
        lines.push(
            "These credentials end with the process. A token for a device client:".to_owned(),
        );
        let option = file.map_or(String::new(), |path| format!(" --config {}", word(path)));
        let program = word(program);
        lines.push(format!("  {program} token device --user 42{option}"));
        if made.room_secret.is_some() {
            lines.push(
                "For room clients, who may also just come, to /room/news/?user=42:".to_owned(),
            );
            lines.push(format!(
                "  {program} token room --user 42 --room news{option}"
            ));
        }
        if config.dialect.im.mount.enabled && !config.dialect.im.has_keys() {
            lines.push("And one for an im client, good for a login within two minutes:".to_owned());
            lines.push(format!("  {program} token im --id 42{option}"));
        }
        if made.live_key.is_some() {
            lines.push("And an auth for a live one:".to_owned());
            lines.push(format!("  {program} token live --id 42 --code r1{option}"));
        }
    }
    // A key of somebody's own is no throw-away one, and is not for the screen.
    let key = made.api_key.as_ref().map_or("$API_KEY", Secret::expose);
    lines.push("Something to try:".to_owned());
    lines.push(format!(
        "  curl -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \
         -d '{{\"to\":\"all\",\"event\":\"hello\",\"data\":{{\"from\":\"curl\"}}}}' \
         http://{admin}/api/publish"
    ));
    lines.join("\n")
}

/// The path as the shell takes it for one word.
fn word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Generated, Source};

    fn shown(source: &Source) -> (Config, String) {
        let config = Config::from_source(source, &Generated::new()).unwrap();
        let addresses = Addresses {
            public: config.listen.public.clone(),
            admin: config.listen.admin,
        };
        let file = source.file.as_ref().map(|file| Path::new(&file.name));
        let program = Path::new("target/release/tidegate");
        let text = welcome(&config, &addresses, program, file);
        (config, text)
    }

    #[test]
    fn it_shows_what_was_made_up() {
        let (config, text) = shown(&Source::default());
        let made = config.throw_away;
        let secrets = [
            made.api_key,
            made.ride_backend,
            made.room_secret,
            made.live_key,
            made.device_secret,
        ];
        for secret in secrets {
            assert!(text.contains(secret.unwrap().expose()), "{text}");
        }
        assert!(text.contains("http://127.0.0.1:8080/"), "{text}");
        assert!(text.contains("http://127.0.0.1:8081/api/publish"), "{text}");
        assert!(!text.contains(config.control.expose()), "{text}");
        for command in [
            "token device --user 42",
            "token room --user 42 --room news",
            "token im --id 42",
            "token live --id 42 --code r1",
        ] {
            let line = format!("\n  target/release/tidegate {command}\n");
            assert!(text.contains(&line), "{text}");
        }
        let page_key = made.page_key.unwrap();
        assert!(!text.contains(page_key.expose()), "{text}");
    }

    #[test]
    fn the_command_to_paste_names_the_file() {
        let mut source = Source::from_text("development = true");
        let (_, text) = shown(&source);
        let command = "token device --user 42 --config tidegate.toml\n";
        assert!(text.contains(command), "{text}");
        source.file.as_mut().unwrap().name = "it's here.toml".to_owned();
        let (_, text) = shown(&source);
        assert!(text.contains(r"--config 'it'\''s here.toml'"), "{text}");
    }

    #[test]
    fn it_shows_no_credential_that_somebody_configured() {
        let text = "development = true\n\
                    api.keys = [{ key = \"mine-1\", scopes = [\"admin\"] }]\n\
                    dialect.ride.backends = { flask = \"mine-2\" }\n\
                    dialect.device.keys = [{ alg = \"HS256\", secret = \"mine-3\" }]\n\
                    dialect.room.keys = [{ alg = \"HS256\", secret = \"mine-4\" }]";
        let (_, text) = shown(&Source::from_text(text));
        assert!(!text.contains("mine-"), "{text}");
    }
}
