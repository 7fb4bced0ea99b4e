//! The pod of an overlay, as Kubernetes would run it: what stands in the Deployment decides.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;

use crate::{
    container::{Container, Spec},
    files::{rendered, yaml},
    lab::Lab,
};

/// Everything that an overlay makes.
pub(crate) struct Overlay {
    pub(crate) name: &'static str,
    pub(crate) objects: Vec<Value>,
}

/// The name that the pod and its node have.
pub(crate) const POD: &str = "tidegate-7d9c5b7f6-x2x4z";

// === impl Overlay ===

impl Overlay {
    pub(crate) fn render(name: &'static str) -> Self {
        let objects = yaml(&rendered(name));
        Self { name, objects }
    }

    /// Every object of a kind.
    pub(crate) fn all(&self, kind: &str) -> Vec<&Value> {
        let all = self.objects.iter();
        all.filter(|object| object["kind"] == kind).collect()
    }

    /// The one object of a kind.
    #[track_caller]
    pub(crate) fn one(&self, kind: &str) -> &Value {
        let all = self.all(kind);
        assert_eq!(all.len(), 1, "{kind} in {}", self.name);
        all[0]
    }

    pub(crate) fn deployment(&self) -> &Value {
        self.one("Deployment")
    }

    /// What stands in the template of pods.
    pub(crate) fn pod(&self) -> &Value {
        &self.deployment()["spec"]["template"]["spec"]
    }

    pub(crate) fn container(&self) -> &Value {
        let containers = self.pod()["containers"].as_array().unwrap();
        assert_eq!(containers.len(), 1);
        &containers[0]
    }

    /// The number of a port that is called so.
    pub(crate) fn port(&self, name: &str) -> u16 {
        let ports = self.container()["ports"].as_array().unwrap();
        let port = ports.iter().find(|port| port["name"] == name);
        let number = &port.unwrap_or_else(|| panic!("no port is called {name}"))["containerPort"];
        number.as_u64().unwrap().try_into().unwrap()
    }

    /// The file of the node, as the ConfigMap has it.
    pub(crate) fn toml(&self) -> &str {
        self.one("ConfigMap")["data"]["tidegate.toml"]
            .as_str()
            .unwrap()
    }

    /// What the pod's variables say, in order.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let variables = self.container()["env"].as_array().unwrap().iter();
        let pair = |variable: &Value| {
            let name = variable["name"].as_str().unwrap().to_owned();
            let path = &variable["valueFrom"]["fieldRef"]["fieldPath"];
            let value = match path.as_str() {
                Some("metadata.name") => POD,
                None => variable["value"].as_str().unwrap(),
                Some(path) => panic!("{path} is not known here"),
            };
            (name, value.to_owned())
        };
        variables.map(pair).collect()
    }

    /// A setting as text: that of the variable, or that of the file.
    pub(crate) fn setting(&self, key: &str) -> Option<String> {
        let variable = format!("TIDEGATE_{}", key.replace('.', "__").to_uppercase());
        let set = self
            .environment()
            .into_iter()
            .find(|(name, _)| *name == variable);
        set.map(|(_, value)| value).or_else(|| {
            let file: toml::Table = self.toml().parse().unwrap();
            let (section, key) = key.split_once('.').unwrap();
            let value = file.get(section)?.get(key)?;
            Some(
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned),
            )
        })
    }

    /// A setting that is a number of seconds.
    pub(crate) fn seconds(&self, key: &str) -> Duration {
        let text = self
            .setting(key)
            .unwrap_or_else(|| panic!("{key} is not set"));
        let number = text.strip_suffix('s').and_then(|text| text.parse().ok());
        Duration::from_secs(number.unwrap_or_else(|| panic!("{key}: {text}")))
    }

    /// How long a pod may take to end once it was sent SIGTERM.
    pub(crate) fn time_to_end(&self) -> Duration {
        let grace = self.pod()["terminationGracePeriodSeconds"]
            .as_u64()
            .unwrap();
        let before = self.container().pointer("/lifecycle/preStop/sleep/seconds");
        Duration::from_secs(grace - before.unwrap().as_u64().unwrap())
    }

    /// Runs the pod, with these secrets and variables beside its own.
    pub(crate) fn start(&self, lab: &Lab, secrets: &Path, more: &[(&str, &str)]) -> Container {
        let mut environment = self.environment();
        // All pods have one loopback here, so that each has to keep to its address. The ports are its own.
        for (variable, port) in [("PUBLIC", "public"), ("ADMIN", "admin")] {
            let at = lab.at("pod", self.port(port));
            environment.push((format!("TIDEGATE_LISTEN__{variable}"), at.to_string()));
        }
        for (name, value) in more {
            environment.retain(|(other, _)| other != name);
            environment.push((name.to_string(), value.to_string()));
        }
        let words = self.container()["args"].as_array().unwrap().iter();
        let (mut mounts, mut states) = (Vec::new(), Vec::new());
        for mount in self.container()["volumeMounts"].as_array().unwrap() {
            let at = mount["mountPath"].as_str().unwrap().to_owned();
            match self.volume(lab, &mount["name"], secrets) {
                Some(folder) => mounts.push((folder, at)),
                None => states.push(at),
            }
        }
        let spec = Spec {
            name: self.name.to_owned(),
            arguments: Some(
                words
                    .map(|word| word.as_str().unwrap().to_owned())
                    .collect(),
            ),
            environment,
            mounts,
            states,
        };
        Container::start(lab, spec)
    }

    /// The folder that a volume is, or none for an empty one that can be written to.
    fn volume(&self, lab: &Lab, name: &Value, secrets: &Path) -> Option<PathBuf> {
        let volumes = self.pod()["volumes"].as_array().unwrap();
        let volume = volumes.iter().find(|volume| volume["name"] == *name);
        let volume = volume.unwrap_or_else(|| panic!("no volume is called {name}"));
        if !volume["secret"].is_null() {
            return Some(secrets.to_owned());
        }
        if volume["configMap"].is_null() {
            assert!(!volume["emptyDir"].is_null(), "{volume}");
            return None;
        }
        assert_eq!(
            volume["configMap"]["name"],
            self.one("ConfigMap")["metadata"]["name"]
        );
        let folder = lab.file(&format!("{}-config", self.name));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("tidegate.toml"), self.toml()).unwrap();
        Some(folder)
    }
}

/// Writes secrets into a folder as a kubelet does: all of them change at once, when a link does. The
/// group of the pod may read them, nobody else.
pub(crate) fn publish(folder: &Path, version: u32, group: u32, secrets: &[(&str, String)]) {
    let name = format!("..{version}");
    let data = folder.join(&name);
    fs::create_dir_all(&data).unwrap();
    for (key, value) in secrets {
        let file = data.join(key);
        fs::write(&file, value).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o440)).unwrap();
        std::os::unix::fs::chown(&file, Some(0), Some(group)).unwrap();
        let link = folder.join(key);
        if !link.is_symlink() {
            symlink(Path::new("..data").join(key), link).unwrap();
        }
    }
    let draft = folder.join("..data_tmp");
    symlink(name, &draft).unwrap();
    fs::rename(draft, folder.join("..data")).unwrap();
}
