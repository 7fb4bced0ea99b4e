//! Where the configuration comes from: the environment and a file, in production; tables in tests.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use super::{Config, ConfigError, Mistake, development::Generated};

/// Beginning of every environment variable that is a key, in any case.
pub(crate) const PREFIX: &str = "TIDEGATE_";

/// Longest file of a configuration or a secret. A thousand times what a node needs is far below,
/// devices that never end are not.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The texts that a configuration is read from.
#[derive(Clone, Default)]
pub struct Source {
    /// The environment; what does not begin with `TIDEGATE_`, in any case, is of no concern.
    pub environment: BTreeMap<String, String>,
    /// The file, if there is one.
    pub file: Option<File>,
}

/// A file that was read.
#[derive(Clone)]
pub struct File {
    /// How mistakes name it.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// As much of a configuration as whoever looks for a running node needs.
#[derive(Debug)]
pub struct Readable {
    /// Where it is, and how it ends. Whatever could not be read has its default.
    pub config: Config,
    /// Why nothing else of the file was read.
    pub syntax: Option<Mistake>,
}

/// Reads the configuration, again at every reload.
#[derive(Debug)]
pub struct ReloadSource {
    path: Option<PathBuf>,
    environment: BTreeMap<String, String>,
    /// Made once, so that a reload changes neither the node's name nor throw-away credentials.
    generated: OnceLock<Generated>,
}

// === impl Source ===

impl Source {
    /// A source that is one text, as tests like it.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self {
            environment: BTreeMap::new(),
            file: Some(File {
                name: "tidegate.toml".to_owned(),
                text: text.into(),
            }),
        }
    }

    /// Whether nothing at all is configured.
    pub fn is_empty(&self) -> bool {
        self.file.is_none() && self.settings().next().is_none()
    }

    /// The environment variables that are keys, in order. An empty one counts as absent, since
    /// that is what `${NAME:-}` makes of a variable that nobody set.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment
            .iter()
            .filter(|(name, text)| is_setting(name) && !text.is_empty())
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }
}

/// Whether an environment variable concerns a node. In any case, so that a key in small letters is
/// not overlooked without a word.
pub(crate) fn is_ours(name: &str) -> bool {
    name.get(..PREFIX.len())
        .is_some_and(|beginning| beginning.eq_ignore_ascii_case(PREFIX))
}

/// Kubernetes and Docker put the addresses of a service that is called `tidegate` into the
/// environment of its neighbours, under our prefix: `TIDEGATE_SERVICE_HOST`, `TIDEGATE_PORT`,
/// `TIDEGATE_ADMIN_PORT_8081_TCP_ADDR`. None of our own keys look like them.
fn is_setting(name: &str) -> bool {
    if !is_ours(name) {
        return false;
    }
    let upper = name.to_ascii_uppercase();
    let rest = &upper[PREFIX.len()..];
    let service = rest.ends_with("SERVICE_HOST") || rest.contains("SERVICE_PORT");
    let port = rest == "PORT"
        || rest.ends_with("_PORT")
        || rest
            .split("PORT_")
            .skip(1)
            .any(|after| after.starts_with(|c: char| c.is_ascii_digit()));
    let link = rest == "NAME" || rest.contains("_ENV_");
    rest.contains("__") || !(service || port || link)
}

// === impl ReloadSource ===

impl ReloadSource {
    /// Reads the file at `path`, if one is given, and lays `environment` over it.
    pub fn new(path: Option<PathBuf>, environment: BTreeMap<String, String>) -> Self {
        Self {
            path,
            environment,
            generated: OnceLock::new(),
        }
    }

    /// The file that it reads.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The environment that it lays over the file.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// Reads the whole configuration, secrets' files included. Binds nothing, connects to nothing.
    ///
    /// # Errors
    ///
    /// Every mistake, not only the first.
    pub fn load(&self) -> Result<Config, ConfigError> {
        let source = self.read()?;
        Config::from_source(&source, self.generated.get_or_init(Generated::new))
    }

    /// Reads what is readable, for whoever only looks for a running node: a mistake that somebody
    /// is just making in the file must not keep anybody from stopping it.
    ///
    /// # Errors
    ///
    /// A file that is not there, or one from which it cannot be told where the node leaves its
    /// number: what is done must not be done to another node.
    pub fn load_readable(&self) -> Result<Readable, ConfigError> {
        let mut source = self.read()?;
        let mut mistakes = Vec::new();
        let mut syntax = None;
        let config = match Config::read(&source, &mut mistakes) {
            Ok(config) => config,
            Err(mistake) => {
                let file = source.file.as_mut().ok_or_else(|| mistake.clone())?;
                let line = match pid_file_line(&file.text) {
                    Some(line) => line.to_owned(),
                    None if self.names_pid_file() => String::new(),
                    None => return Err(mistake.into()),
                };
                file.text = line;
                syntax = Some(mistake);
                Config::read(&source, &mut mistakes)?
            }
        };
        match mistakes
            .into_iter()
            .find(|mistake| mistake.is_about("pid_file"))
        {
            Some(mistake) => Err(syntax.unwrap_or(mistake).into()),
            None => Ok(Readable { config, syntax }),
        }
    }

    /// Whether the environment does, so that the file has no say.
    fn names_pid_file(&self) -> bool {
        let mut names = self.environment.iter();
        names.any(|(name, value)| {
            !value.is_empty() && name.eq_ignore_ascii_case("TIDEGATE_PID_FILE")
        })
    }

    fn read(&self) -> Result<Source, ConfigError> {
        Ok(Source {
            environment: self.environment.clone(),
            file: self.path.as_deref().map(read_file).transpose()?,
        })
    }
}

fn read_file(path: &Path) -> Result<File, ConfigError> {
    let name = path.display().to_string();
    match read_text(path) {
        Ok(text) => Ok(File { name, text }),
        Err(problem) => Err(Mistake::new(name, format!("cannot be read: {problem}")).into()),
    }
}

/// The text of a file, unless it is longer than one that a node needs can be.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let read = || {
        let mut text = String::new();
        // The length of a device or a pipe is not known before its end.
        let mut file = fs::File::open(path)?.take(FILE_BYTES_MAX + 1);
        file.read_to_string(&mut text).map(|length| (length, text))
    };
    match read() {
        Ok((length, _)) if FILE_BYTES_MAX < length as u64 => {
            Err(format!("is larger than {FILE_BYTES_MAX} bytes"))
        }
        Ok((_, text)) => Ok(text),
        Err(error) => Err(error.to_string()),
    }
}

/// The line that names the pid file, of a text that is not TOML as a whole: empty if it says
/// nothing about it, nothing if what it says is not clear.
fn pid_file_line(text: &str) -> Option<&str> {
    let comment = |line: &&str| line.trim_start().starts_with('#');
    let mut lines = text
        .lines()
        .filter(|line| line.contains("pid_file") && !comment(line));
    let Some(line) = lines.next() else {
        return Some("");
    };
    // What stands behind the name of a table would be a key of that table.
    let table = |line: &str| line.trim_start().starts_with('[');
    let mut before = text.lines().take_while(|other| *other != line);
    let is_clear = lines.next().is_none() && !before.any(table);
    let read = toml::from_str::<toml::Table>(line).ok()?;
    (is_clear && read.len() == 1 && read.contains_key("pid_file")).then_some(line)
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Source(..)")
    }
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "File({:?})", self.name)
    }
}
