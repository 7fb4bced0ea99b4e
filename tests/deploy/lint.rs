//! What the tools of others have against the files.

use std::fs;

use crate::files::{attempt, path, rendered, run, tool, yaml};

pub(crate) const OVERLAYS: [&str; 2] = ["dev", "production"];

/// Kinds that are not Kubernetes' own, but of the Prometheus operator.
const OTHERS: [&str; 2] = ["PrometheusRule", "ServiceMonitor"];

#[test]
fn every_object_has_the_fields_of_its_kind_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    for overlay in OVERLAYS {
        let file = folder.path().join(format!("{overlay}.yaml"));
        fs::write(&file, rendered(overlay)).unwrap();
        let text = run(tool("kubernetes-validate").arg("--strict").arg(&file));
        let objects = yaml(&rendered(overlay));
        let passed = text.matches(" passed for resource ").count();
        let others = text
            .lines()
            .filter(|line| line.starts_with("WARN"))
            .inspect(|line| {
                assert!(OTHERS.iter().any(|kind| line.contains(kind)), "{line}");
            });
        assert_eq!(passed + others.count(), objects.len(), "{text}");

        // It would tell.
        let wrong = rendered(overlay).replacen("enableServiceLinks", "enableServiceLink", 1);
        fs::write(&file, wrong).unwrap();
        assert!(!attempt(tool("kubernetes-validate").arg("--strict").arg(&file)).0);
    }
}

#[test]
fn objects_of_the_operator_have_the_fields_of_its_schema_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("production.yaml");
    let read = |text: &str| {
        fs::write(&file, text).unwrap();
        let script = path("tests/deploy/monitoring.py");
        attempt(tool("python").arg(script).arg(&file))
    };
    let text = rendered("production");
    let (succeeded, said) = read(&text);
    assert!(succeeded, "{said}");
    let mut kinds: Vec<&str> = said.lines().collect();
    kinds.sort_unstable();
    assert_eq!(kinds, OTHERS);
    // It would tell.
    for (right, wrong) in [
        ("scrapeTimeout:", "scrapeTimeOut:"),
        ("scrapeTimeout: 5s", "scrapeTimeout: [5]"),
        ("expr:", "expression:"),
    ] {
        assert!(text.contains(right), "{right}");
        assert!(!read(&text.replacen(right, wrong, 1)).0, "{wrong}");
    }
}

/// What is let through is named in the files, with the reason.
#[test]
fn checkov_has_nothing_against_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut checkov = tool("checkov");
    checkov.args([
        "--skip-download",
        "--compact",
        "--quiet",
        "--framework",
        "kubernetes",
    ]);
    checkov.args(["dockerfile", "--file"]);
    for overlay in OVERLAYS {
        let file = folder.path().join(format!("{overlay}.yaml"));
        fs::write(&file, rendered(overlay)).unwrap();
        checkov.arg(file);
    }
    let dockerfile = folder.path().join("Dockerfile");
    fs::copy(path("deploy/Dockerfile"), &dockerfile).unwrap();
    let text = run(checkov.arg(dockerfile));
    for checks in ["kubernetes scan results", "dockerfile scan results"] {
        assert!(text.contains(checks), "{checks} are not in\n{text}");
    }
}

#[test]
fn hadolint_has_nothing_against_the_dockerfile() {
    run(tool("hadolint").arg(path("deploy/Dockerfile")));
}
