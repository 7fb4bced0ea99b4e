//! The unit, the settings of the kernel and the example of a configuration.

use std::{fs, path::Path, process::Command};

use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use crate::files::{attempt, run, text};

/// Most that `systemd-analyze security` may find, in tenths. Without the network, which a gateway needs,
/// there would be nothing left to do.
const EXPOSURE_MAX: &str = "15";

fn unit() -> String {
    text("deploy/systemd/tidegate.service")
}

/// The words behind every line that sets this.
fn set<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    let lines = unit
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    lines.collect()
}

/// The unit with the program where it is here.
fn installed(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("tidegate.service");
    let text = unit().replace("/usr/bin/tidegate", env!("CARGO_BIN_EXE_tidegate"));
    fs::write(&file, text).unwrap();
    file
}

/// The example with its files, and with a Redis and a store that are only named.
fn configured(folder: &Path) -> std::path::PathBuf {
    let text = text("deploy/systemd/tidegate.toml");
    let at = folder.display().to_string();
    fs::create_dir_all(folder.join("secrets")).unwrap();
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    for (name, content) in [
        ("api-key", "a-key-that-applications-have"),
        ("device", "0123456789abcdef0123"),
        ("im.pem", &key.serialize_pem()),
        ("redis-url", "redis://10.0.0.9:6379"),
        ("ride", "0123456789abcdef0123"),
        ("store-url", "mysql://tidegate:change-me@10.0.0.8/tidegate"),
    ] {
        fs::write(folder.join("secrets").join(name), content).unwrap();
    }
    let file = folder.join("tidegate.toml");
    fs::write(&file, text.replace("/etc/tidegate", &at)).unwrap();
    file
}

#[test]
fn systemd_understands_the_unit_and_finds_it_well_locked() {
    let folder = tempfile::tempdir().unwrap();
    let file = installed(folder.path());
    let verified = run(Command::new("systemd-analyze").arg("verify").arg(&file));
    assert_eq!(verified.trim(), "");
    let mut security = Command::new("systemd-analyze");
    security.args([
        "security",
        "--offline=true",
        "--no-pager",
        "--threshold",
        EXPOSURE_MAX,
    ]);
    run(security.arg(&file));

    // It would tell.
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("KillMode=mixed", "KilMode=mixed")).unwrap();
    let (_, told) = attempt(Command::new("systemd-analyze").arg("verify").arg(&file));
    assert!(told.contains("KilMode"), "{told}");
}

#[test]
fn the_unit_calls_the_program_as_it_wants_to_be_called() {
    let unit = unit();
    for (key, verb) in [("ExecStart", "start"), ("ExecReload", "reload")] {
        let [line] = set(&unit, key)[..] else {
            panic!("{key}");
        };
        assert_eq!(
            line,
            format!("/usr/bin/tidegate {verb} --config /etc/tidegate/tidegate.toml")
        );
    }
    // What it waits for is a command that fails as long as no node runs.
    let waits = set(&unit, "ExecStartPost")[0];
    let status = "tidegate status --ready --config /etc/tidegate/tidegate.toml";
    assert!(waits.contains(status), "{waits}");
    let folder = tempfile::tempdir().unwrap();
    let file = configured(folder.path());
    let mut status = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    let (succeeded, told) = attempt(status.args(["status", "--ready", "--config"]).arg(file));
    assert!(
        !succeeded && told.contains("/run/tidegate/tidegate.pid"),
        "{told}"
    );
    // The folders that it writes to.
    assert_eq!(set(&unit, "RuntimeDirectory"), ["tidegate"]);
    assert_eq!(set(&unit, "StateDirectory"), ["tidegate"]);
    assert_eq!(set(&unit, "WorkingDirectory"), ["/var/lib/tidegate"]);
    assert_eq!(set(&unit, "RestartPreventExitStatus"), ["2"]);
}

#[test]
fn the_unit_gives_time_for_a_drain_and_files_for_the_example() {
    let unit = unit();
    let toml: toml::Table = text("deploy/systemd/tidegate.toml").parse().unwrap();
    // The default of drain.grace, which the example leaves alone, and 5 s.
    assert!(toml.get("drain").is_none());
    assert_eq!(set(&unit, "TimeoutStopSec"), ["35"]);
    let files: i64 = set(&unit, "LimitNOFILE")[0].parse().unwrap();
    let connections = toml["limits"]["connections_max"].as_integer().unwrap();
    assert!(connections + 256 <= files);
}

/// In a network of its own, whose settings are its own, too.
#[test]
fn with_these_settings_the_check_has_nothing_against_the_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let file = configured(folder.path());
    let checked = |settings: &str| {
        let script = format!("{settings} >/dev/null && exec \"$1\" check --config \"$2\"");
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-ec", &script, "sh"]);
        run(command.arg(env!("CARGO_BIN_EXE_tidegate")).arg(&file))
    };
    let deployed = crate::files::path("deploy/systemd/sysctl.conf");
    let text = checked(&format!("sysctl -p {}", deployed.display()));
    assert!(text.starts_with("configuration is fine"), "{text}");
    let mut warnings = text.lines().filter(|line| line.starts_with("warning: "));
    assert!(!warnings.any(|line| line.contains("net.")), "{text}");

    let few = "sysctl -w net.core.somaxconn=128";
    let ports = "net.ipv4.ip_local_port_range='1024 65535'";
    let text = checked(&format!("{few} {ports}"));
    for warning in [
        "warning: listen.accept_backlog: is 4096, but the kernel allows 128 only",
        "warning: listen.public: is 0.0.0.0:8080, a port that the kernel gives",
        "warning: listen.admin: is 0.0.0.0:8081, a port that the kernel gives",
    ] {
        assert!(text.contains(warning), "{warning} is not in\n{text}");
    }
}

/// 20,000 is what the machine of the tests may have; fewer are fewer everywhere.
#[test]
fn few_open_files_are_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let file = configured(folder.path());
    let mut command = Command::new("sh");
    command.args([
        "-ec",
        "ulimit -n 1024; exec \"$1\" check --config \"$2\"",
        "sh",
    ]);
    let text = run(command.arg(env!("CARGO_BIN_EXE_tidegate")).arg(&file));
    let warning = "limits.connections_max: is 100000, but the process may open 1024 files only";
    assert!(text.contains(warning), "{text}");
}
