//! The objects of the overlays among each other: what one of them names, another one is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::{
    files::{run, text, yaml},
    lint::OVERLAYS,
    pod::Overlay,
    root::image,
};

fn overlays() -> impl Iterator<Item = Overlay> {
    OVERLAYS.into_iter().map(Overlay::render)
}

fn labels(value: &Value) -> BTreeMap<&str, &str> {
    let labels = value
        .as_object()
        .unwrap_or_else(|| panic!("no labels: {value}"));
    let pairs = labels.iter();
    pairs
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap()))
        .collect()
}

/// Whether whoever has the labels is selected; a selector that selects everybody is none.
#[track_caller]
fn assert_selects(selector: &Value, chosen: &Value) {
    let (selector, chosen) = (labels(selector), labels(chosen));
    assert!(!selector.is_empty());
    for (key, value) in selector {
        assert_eq!(chosen.get(key), Some(&value), "{key}");
    }
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

/// The values at a path of every element of a list.
fn each<'a>(list: &'a Value, pointer: &str) -> Vec<&'a Value> {
    let list = list.as_array().unwrap().iter();
    list.map(|element| element.pointer(pointer).unwrap())
        .collect()
}

#[test]
fn everything_selects_the_pods_and_names_their_ports() {
    for overlay in overlays() {
        let spec = &overlay.deployment()["spec"];
        let pods = &spec["template"]["metadata"]["labels"];
        assert_selects(&spec["selector"]["matchLabels"], pods);
        for spread in each(
            &overlay.pod()["topologySpreadConstraints"],
            "/labelSelector",
        ) {
            assert_selects(&spread["matchLabels"], pods);
        }
        for service in overlay.all("Service") {
            assert_selects(&service["spec"]["selector"], pods);
            for port in each(&service["spec"]["ports"], "/targetPort") {
                overlay.port(port.as_str().unwrap());
            }
        }
        let budget = &overlay.one("PodDisruptionBudget")["spec"];
        assert_selects(&budget["selector"]["matchLabels"], pods);
        let policy = &overlay.one("NetworkPolicy")["spec"];
        assert_selects(&policy["podSelector"]["matchLabels"], pods);
        for rule in policy["ingress"].as_array().unwrap() {
            for port in each(&rule["ports"], "/port") {
                overlay.port(port.as_str().unwrap());
            }
        }
        let namespace = name(overlay.one("Namespace"));
        for object in &overlay.objects {
            let of = &object["metadata"]["namespace"];
            assert!(object["kind"] == "Namespace" || of == namespace, "{object}");
        }
        assert_eq!(
            overlay.pod()["serviceAccountName"],
            name(overlay.one("ServiceAccount"))
        );
    }
}

/// The label of the nodes on the clients of the HTTP API would shut them all out.
#[test]
fn who_may_use_the_http_api_need_not_be_a_node() {
    for overlay in overlays() {
        let rules = &overlay.one("NetworkPolicy")["spec"]["ingress"];
        let admin = rules
            .as_array()
            .unwrap()
            .iter()
            .find(|rule| rule["ports"][0]["port"] == "admin");
        let clients = each(&admin.unwrap()["from"], "")
            .into_iter()
            .find_map(|peer| peer.get("podSelector"));
        let selected = labels(&clients.unwrap()["matchLabels"]);
        assert_eq!(selected, BTreeMap::from([("tidegate-client", "true")]));
    }
}

#[test]
fn the_ingress_leads_to_a_service_and_lets_silent_clients_be() {
    for overlay in overlays() {
        let ingress = overlay.one("Ingress");
        let backend = ingress
            .pointer("/spec/rules/0/http/paths/0/backend/service")
            .unwrap();
        let services = overlay.all("Service");
        let service = services
            .iter()
            .find(|service| name(service) == backend["name"])
            .unwrap();
        let ports = each(&service["spec"]["ports"], "/name");
        assert!(ports.contains(&&backend["port"]["name"]), "{backend}");
        // What clients may reach is no operator's.
        assert_eq!(service["spec"]["ports"][0]["targetPort"], "public");

        let annotation = |name: &str| {
            let name = format!("nginx.ingress.kubernetes.io/{name}");
            ingress["metadata"]["annotations"][name]
                .as_str()
                .unwrap()
                .to_owned()
        };
        // Ten times what the node waits for a client by default.
        for timeout in ["proxy-read-timeout", "proxy-send-timeout"] {
            assert!(600 <= annotation(timeout).parse::<u32>().unwrap());
        }
        let next = annotation("proxy-next-upstream");
        for case in ["error", "timeout", "http_503"] {
            assert!(next.split(' ').any(|word| word == case), "{next}");
        }
        assert_eq!(
            overlay.setting("listen.client_address").unwrap(),
            "x-forwarded-for"
        );
    }
}

#[test]
fn what_scales_and_what_watches_is_there() {
    let overlay = Overlay::render("production");
    let scaled = &overlay.one("HorizontalPodAutoscaler")["spec"];
    assert_eq!(scaled["scaleTargetRef"]["kind"], "Deployment");
    assert_eq!(scaled["scaleTargetRef"]["name"], name(overlay.deployment()));
    assert!(
        overlay.deployment()["spec"]["replicas"].is_null(),
        "two would decide how many"
    );
    assert!(!overlay.container()["resources"]["requests"]["cpu"].is_null());

    // One node may go at any time: the others have to have room for its clients.
    let least = scaled["minReplicas"].as_f64().unwrap();
    let average = scaled["metrics"][0]["pods"]["target"]["averageValue"]
        .as_str()
        .unwrap();
    let average: f64 = average.parse().unwrap();
    let most: f64 = overlay
        .setting("limits.connections_max")
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        average * least / (least - 1.0) <= most,
        "{average} of {most}"
    );

    let monitor = &overlay.one("ServiceMonitor")["spec"];
    let selector = &monitor["selector"]["matchLabels"];
    let watched = overlay.all("Service").into_iter().filter(|service| {
        let has = labels(&service["metadata"]["labels"]);
        labels(selector)
            .iter()
            .all(|(key, value)| has.get(key) == Some(value))
    });
    let watched: Vec<_> = watched.collect();
    assert_eq!(watched.len(), 1, "each node is scraped once");
    let ports = each(&watched[0]["spec"]["ports"], "/name");
    assert_eq!(ports, [&monitor["endpoints"][0]["port"]]);
    // Alerts and boards know nodes by these.
    let labels: BTreeSet<_> = each(&monitor["endpoints"][0]["relabelings"], "/targetLabel")
        .into_iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(labels, ["cluster", "node"].into());
}

#[test]
fn the_rules_of_the_operator_are_those_of_prometheus() {
    let kept = text("deploy/kubernetes/components/monitoring/prometheus-rule.yaml");
    let made = run(&mut std::process::Command::new(crate::files::path(
        "scripts/prometheus-rule",
    )));
    assert!(kept == made, "scripts/prometheus-rule has to be run again");
    let mut groups = Vec::new();
    let folder = crate::files::path("deploy/prometheus/rules");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    for file in files {
        let mut documents = yaml(&std::fs::read_to_string(file).unwrap());
        groups.append(documents[0]["groups"].as_array_mut().unwrap());
    }
    let rule = Overlay::render("production");
    assert_eq!(
        rule.one("PrometheusRule")["spec"]["groups"],
        Value::Array(groups)
    );
}

/// The containers of these tests have what is asserted here, whatever stands in the objects.
#[test]
fn a_pod_is_whom_the_image_says_and_may_do_nothing_else() {
    for overlay in overlays() {
        let (user, group) = image().config["User"]
            .as_str()
            .unwrap()
            .split_once(':')
            .unwrap();
        let pod = &overlay.pod()["securityContext"];
        for (field, id) in [
            ("runAsUser", user),
            ("runAsGroup", group),
            ("fsGroup", group),
        ] {
            assert_eq!(pod[field].to_string(), id, "{field}");
        }
        assert_eq!(pod["runAsNonRoot"], true);
        assert_eq!(pod["seccompProfile"]["type"], "RuntimeDefault");
        let container = &overlay.container()["securityContext"];
        assert_eq!(container["allowPrivilegeEscalation"], false);
        assert_eq!(container["readOnlyRootFilesystem"], true);
        assert_eq!(container["capabilities"]["drop"], json!(["ALL"]));
        // Where pods that are less careful are refused.
        let labels = &overlay.one("Namespace")["metadata"]["labels"];
        assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
    }
}

/// Beyond its memory a node is killed, with all its sessions.
#[test]
fn a_node_that_is_full_has_the_memory_it_may_take() {
    let overlay = Overlay::render("production");
    let number = |key| overlay.setting(key).unwrap().parse::<u64>().unwrap();
    let limit = &overlay.container()["resources"]["limits"]["memory"];
    let limit = match limit.as_str().unwrap() {
        "1Gi" => 1 << 30,
        other => panic!("{other}"),
    };
    // docs/benchmarks.md and docs/OPERATIONS.md: connections with their sockets, what waits in outboxes
    // and on its way to others, kept statuses, ids that are remembered, and the program.
    let connections = number("limits.connections_max") * (2_730 + 10_240);
    let waiting = number("limits.outboxes_bytes_max") + (64 << 20);
    let needed = connections + waiting + (64 << 20) + 100_000_000 + (32 << 20);
    assert!(needed <= limit, "{needed} of {limit}");
}

/// Of a Deployment, a pod that is ending is none any more: only the new one's time holds the next one up.
#[test]
fn a_node_has_ended_before_the_next_one_is_sent_away() {
    let overlay = Overlay::render("production");
    let spec = &overlay.deployment()["spec"];
    let update = &spec["strategy"]["rollingUpdate"];
    assert_eq!(
        (&update["maxSurge"], &update["maxUnavailable"]),
        (&json!(1), &json!(0))
    );
    let between = spec["minReadySeconds"].as_u64().unwrap();
    let period = overlay.pod()["terminationGracePeriodSeconds"]
        .as_u64()
        .unwrap();
    assert!(period <= between, "{period} s in {between}");
    // Without Redis between them there must not be two.
    let alone = Overlay::render("dev");
    assert_eq!(
        alone.deployment()["spec"]["strategy"],
        json!({"type": "Recreate"})
    );
}

/// The page tells what to put into the Secret that the overlay does not make.
#[test]
fn the_page_names_every_secret_that_a_node_reads() {
    let overlay = Overlay::render("production");
    let folder = "/run/secrets/tidegate/";
    let variables = overlay.environment().into_iter().map(|(_, value)| value);
    let all = variables.collect::<Vec<_>>().join("\"") + overlay.toml();
    let read: BTreeSet<_> = all
        .split(folder)
        .skip(1)
        .map(|rest| rest.split(['"', '\n']).next().unwrap())
        .collect();
    let page = text("deploy/kubernetes/README.md");
    let named: BTreeSet<_> = page
        .split("--from-file=")
        .skip(1)
        .map(|rest| rest.split(['=', ' ', '\n']).next().unwrap())
        .collect();
    assert_eq!(read, named);
    let secret = overlay.pod()["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|volume| volume["secret"]["secretName"].as_str());
    assert!(page.contains(&format!("create secret generic {} ", secret.unwrap())));
}
