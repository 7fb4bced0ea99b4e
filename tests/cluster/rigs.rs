//! The kinds of servers that keep the contract.

use std::{collections::HashMap, fs, path::PathBuf, sync::Arc, time::Duration};

use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tidegate::{
    clock::Clock,
    cluster::{
        memory::Memory,
        redis::{MailSettings, Redis, Settings},
    },
    config::Secret,
    dues::Dues,
    estate::Estate as _,
    jobs::Jobs,
    mail::{Bounds, Mail},
    occupancy::Occupancy,
    office::{Ahead, Office},
    queue::Queue,
    schedules::Schedules,
    store::sqlite::{
        self, Database, SqliteDues, SqliteHooks, SqliteJobs, SqliteMail, SqliteOffice, SqliteQueue,
        SqliteSchedules,
    },
};

use crate::{
    machine::Folder,
    place::{Opening, Rig, member},
    redis::Redis as Server,
};

/// The password of the user whose rights are in the documentation.
pub(crate) const PASSWORD: &str = "correct-horse";

/// The name of the queue.
const QUEUE: &str = "push";

/// Redis at an address.
pub(crate) fn redis(url: &str, prefix: &str) -> Redis {
    redis_with_ca(url, prefix, None)
}

fn redis_with_ca(url: &str, prefix: &str, ca: Option<PathBuf>) -> Redis {
    let settings = Settings {
        url: Secret::new(url),
        prefix: prefix.to_owned(),
        ca,
    };
    Redis::new(settings).unwrap()
}

/// One in this process for each prefix.
pub(crate) struct InProcess {
    streams: Mutex<HashMap<String, Memory>>,
    folder: Folder,
}

/// One server that lets everybody do everything.
pub(crate) struct Alone(pub(crate) Server);

/// Three primaries without replicas. The user may do what the documentation says.
pub(crate) struct Cluster(pub(crate) Vec<Server>);

/// One primary and three Sentinels. The user may do what the documentation says.
pub(crate) struct Sentinels {
    pub(crate) primary: Server,
    pub(crate) sentinels: Vec<Server>,
}

/// One server with TLS, whose certificate is of an authority of its own.
pub(crate) struct Tls {
    server: Server,
    /// Where its files stand.
    _folder: Folder,
    ca: PathBuf,
}

/// One server whose user may do what the documentation says.
pub(crate) struct Limited(Server);

/// A rig whose server is Redis.
pub(crate) trait InRedis: Send + Sync + 'static {
    /// What one more member of the cluster with this prefix has.
    fn redis(&self, prefix: &str) -> Redis;

    /// Those that have the data.
    fn primaries(&self) -> Vec<&Server>;
}

impl<R: InRedis> Rig for R {
    type Streams = Redis;

    fn streams(&self, prefix: &str) -> Redis {
        self.redis(prefix)
    }

    fn mail(&self, prefix: &str, bounds: Bounds) -> Box<dyn Mail> {
        Box::new(self.redis(prefix).mail(MailSettings {
            bounds,
            replicas: 0,
            clock: Clock::start(),
        }))
    }

    fn queue(&self, prefix: &str, claim_after: Duration) -> Box<dyn Queue> {
        Box::new(self.redis(prefix).queue(QUEUE, claim_after))
    }

    fn dispatches(&self, prefix: &str) -> Opening {
        let hooks = self.redis(prefix).hooks();
        Box::pin(async move {
            hooks.open(&member("n.1")).await.unwrap();
            let kept = hooks.current().borrow().clone().unwrap();
            (kept, Arc::new(hooks.graveyard()) as Arc<_>)
        })
    }

    fn dues(&self, prefix: &str) -> (Arc<dyn Dues>, Arc<dyn Occupancy>) {
        let dues = Arc::new(self.redis(prefix).dues());
        (Arc::clone(&dues) as Arc<_>, dues)
    }

    fn jobs(&self, prefix: &str, keep: Duration) -> Box<dyn Jobs> {
        Box::new(self.redis(prefix).jobs(keep))
    }

    fn schedules(&self, prefix: &str) -> Box<dyn Schedules> {
        Box::new(self.redis(prefix).schedules())
    }

    fn offices(&self, prefix: &str, ahead: Ahead) -> [Arc<dyn Office>; 2] {
        let office = || self.redis(prefix).office(ahead.clone());
        [Arc::new(office()), Arc::new(office())]
    }

    fn wipe(&self) {
        for server in self.primaries() {
            server.tell(&["FLUSHALL"]);
        }
    }
}

// === impl InProcess ===

impl InProcess {
    pub(crate) fn start() -> Self {
        Self {
            streams: Mutex::default(),
            folder: Folder::new(),
        }
    }

    fn database(&self, prefix: &str) -> Database {
        let place = sqlite::Place::File(self.folder.path().join(prefix));
        Database::open(&place).unwrap()
    }
}

impl Rig for InProcess {
    type Streams = Memory;

    /// In a file for each prefix.
    fn mail(&self, prefix: &str, bounds: Bounds) -> Box<dyn Mail> {
        Box::new(SqliteMail::new(
            self.database(prefix),
            bounds,
            Clock::start(),
        ))
    }

    fn queue(&self, prefix: &str, claim_after: Duration) -> Box<dyn Queue> {
        let database = self.database(prefix);
        Box::new(SqliteQueue::new(
            database,
            QUEUE,
            claim_after,
            Clock::start(),
        ))
    }

    fn dispatches(&self, prefix: &str) -> Opening {
        let kept = Arc::new(SqliteHooks::new(self.database(prefix)));
        Box::pin(async move { (Arc::clone(&kept) as Arc<_>, kept as Arc<_>) })
    }

    fn jobs(&self, prefix: &str, keep: Duration) -> Box<dyn Jobs> {
        let database = self.database(prefix);
        Box::new(SqliteJobs::new(database, keep, Clock::start()))
    }

    fn schedules(&self, prefix: &str) -> Box<dyn Schedules> {
        let database = self.database(prefix);
        Box::new(SqliteSchedules::new(database, QUEUE, Clock::start()))
    }

    fn streams(&self, prefix: &str) -> Memory {
        self.streams
            .lock()
            .entry(prefix.to_owned())
            .or_default()
            .clone()
    }

    fn dues(&self, prefix: &str) -> (Arc<dyn Dues>, Arc<dyn Occupancy>) {
        let dues = Arc::new(SqliteDues::new(self.database(prefix), Clock::start()));
        (Arc::clone(&dues) as Arc<_>, dues)
    }

    /// The same one: a node without Redis is alone. Nothing is to outlive it.
    fn offices(&self, _: &str, ahead: Ahead) -> [Arc<dyn Office>; 2] {
        let database = Database::open(&sqlite::Place::Memory).unwrap();
        let office = SqliteOffice::new(database, Clock::start(), ahead);
        let office: Arc<dyn Office> = Arc::new(office);
        [Arc::clone(&office), office]
    }

    fn wipe(&self) {
        for memory in self.streams.lock().values() {
            memory.wipe();
        }
    }
}

// === impl Alone ===

impl Alone {
    pub(crate) fn start() -> Self {
        Self(Server::start())
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.0.host())
    }
}

impl InRedis for Alone {
    fn redis(&self, prefix: &str) -> Redis {
        redis(&self.url(), prefix)
    }

    fn primaries(&self) -> Vec<&Server> {
        vec![&self.0]
    }
}

// === impl Cluster ===

impl Cluster {
    pub(crate) fn start() -> Self {
        let nodes = Server::cluster();
        for node in &nodes {
            node.allow_documented(PASSWORD, "+cluster|slots");
        }
        Self(nodes)
    }

    pub(crate) fn url(&self) -> String {
        let hosts: Vec<String> = self.0.iter().map(Server::host).collect();
        format!("redis+cluster://tidegate:{PASSWORD}@{}", hosts.join(","))
    }
}

impl InRedis for Cluster {
    fn redis(&self, prefix: &str) -> Redis {
        redis(&self.url(), prefix)
    }

    fn primaries(&self) -> Vec<&Server> {
        self.0.iter().collect()
    }
}

// === impl Sentinels ===

impl Sentinels {
    pub(crate) fn start() -> Self {
        let primary = Server::start();
        primary.allow_documented(PASSWORD, "+role");
        let sentinels = (0..3).map(|_| Server::sentinel(primary.port())).collect();
        Self { primary, sentinels }
    }

    /// The address, with this password.
    pub(crate) fn url(&self, password: &str) -> String {
        let hosts: Vec<String> = self.sentinels.iter().map(Server::host).collect();
        format!(
            "redis+sentinel://tidegate:{password}@{}/main",
            hosts.join(",")
        )
    }
}

impl InRedis for Sentinels {
    fn redis(&self, prefix: &str) -> Redis {
        redis(&self.url(PASSWORD), prefix)
    }

    fn primaries(&self) -> Vec<&Server> {
        vec![&self.primary]
    }
}

// === impl Tls ===

impl Tls {
    pub(crate) fn start() -> Self {
        let folder = Folder::new();
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Whose subject is its issuer's has signed itself, to whoever checks it.
        let name = &mut authority.distinguished_name;
        name.push(DnType::CommonName, "authority of a test");
        let ca_text = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &issuer).unwrap();
        let write = |name: &str, text: String| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let ca = write("ca.pem", ca_text);
        let certificate = write("certificate.pem", certificate.pem());
        let key = write("key.pem", key.serialize_pem());
        let server = Server::start_tls(&certificate, &key, &ca);
        Self {
            server,
            _folder: folder,
            ca,
        }
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }
}

impl InRedis for Tls {
    fn redis(&self, prefix: &str) -> Redis {
        let url = format!("rediss://{}", self.server.host());
        redis_with_ca(&url, prefix, Some(self.ca.clone()))
    }

    fn primaries(&self) -> Vec<&Server> {
        vec![&self.server]
    }
}

// === impl Limited ===

impl Limited {
    pub(crate) fn start() -> Self {
        let server = Server::start();
        server.allow_documented(PASSWORD, "");
        Self(server)
    }
}

impl InRedis for Limited {
    fn redis(&self, prefix: &str) -> Redis {
        let url = format!("redis://tidegate:{PASSWORD}@{}", self.0.host());
        redis(&url, prefix)
    }

    fn primaries(&self) -> Vec<&Server> {
        vec![&self.0]
    }
}
