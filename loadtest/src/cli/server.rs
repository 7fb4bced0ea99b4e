//! The option that tells how to talk to the server.

use std::path::Path;

use clap::Args;

use crate::server::Server;

/// How to talk to the server.
#[derive(Args, Clone, Debug, Default)]
pub struct ServerFile {
    /// How to talk to a server that is not ours, such as a file of loadtest/servers [default: the ride dialect, in rooms the room dialect]
    #[arg(long = "server", value_name = "FILE", value_parser = parse_server)]
    given: Option<Server>,
}

impl ServerFile {
    /// What the file says; without one, the `ride` dialect of Tidegate.
    #[must_use]
    pub fn read(&self) -> Server {
        self.given.clone().unwrap_or_else(Server::ride)
    }

    /// What the file says of rooms; without one, the `room` dialect of Tidegate.
    #[must_use]
    pub fn read_for_rooms(&self) -> Server {
        self.given.clone().unwrap_or_else(Server::room_dialect)
    }
}

fn parse_server(path: &str) -> Result<Server, String> {
    Server::read(Path::new(path)).map_err(|error| error.to_string())
}
