//! Options of every scenario.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{parse_address, parse_count, parse_header, parse_part, parse_seconds};
use crate::socket::Sources;

/// Options of every scenario.
#[derive(Args, Clone, Debug)]
pub struct Common {
    /// Addresses of the server, several separated by commas; connections take turns
    #[arg(long, value_name = "ADDR", value_delimiter = ',', required = true, value_parser = parse_address)]
    pub to: Vec<SocketAddr>,
    /// Number of connections
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = parse_count)]
    pub connections: usize,
    /// How long to measure or hold [default: 10; handshake: until all are done]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub secs: Option<Duration>,
    /// Open the connections evenly over this time, and raise the rate of an open loop from 0 over as long
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = parse_seconds)]
    pub ramp: Duration,
    /// After measuring, lower the rate of an open loop to 0 over this time, and close the connections evenly over as long
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = parse_seconds)]
    pub ramp_down: Duration,
    /// Run in so many processes, each with its share of the connections and of the load; fanout only with --rate
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = parse_count)]
    pub processes: usize,
    /// Which of the processes this one is
    #[arg(long, value_name = "NUMBER/COUNT", hide = true, value_parser = parse_part)]
    pub part: Option<Part>,
    /// Where the processes write down what others of them have to know
    #[arg(long, value_name = "FILE", hide = true)]
    pub board: Option<PathBuf>,
    /// Number of the first connection, as in {i}
    #[arg(skip)]
    pub first: usize,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a page with figures and charts to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Compare with an earlier run: a file that --json has written
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Tell every second how it goes on, also when nobody watches at a terminal
    #[arg(long)]
    pub progress: bool,
    /// Let Prometheus scrape the run from this address
    #[arg(long, value_name = "ADDR", value_parser = parse_address)]
    pub prometheus: Option<SocketAddr>,
    /// Processes of the server, for its memory and CPU time
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pub server_pid: Vec<u32>,
    /// Further processes to watch, such as Redis and the database
    #[arg(long, value_name = "PID", value_delimiter = ',')]
    pub other_pid: Vec<u32>,
    /// Run on these CPUs only; several processes take one each, in turn
    #[arg(long, value_name = "CPU", value_delimiter = ',')]
    pub cpu: Vec<usize>,
    /// Connections opening at a time
    #[arg(long, value_name = "COUNT", default_value = "64", value_parser = parse_count)]
    pub parallel: usize,
    /// Give up after so long without any progress
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_seconds)]
    pub patience: Duration,
    /// Ping clients that have said nothing for so long, as real ones do before they are taken for gone; 0: nobody
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = parse_seconds)]
    pub ping: Duration,
    /// First source address; on loopback, connections are spread over several from here on
    #[arg(long, value_name = "ADDR", default_value = "127.0.1.1")]
    pub source: Ipv4Addr,
    /// Further line in the upgrade request, such as "Origin: http://localhost"; may be repeated
    #[arg(long, value_name = "LINE", value_parser = parse_header)]
    pub header: Vec<String>,
}

/// One of several processes that share a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Part {
    /// From 0 on.
    pub number: usize,
    /// How many there are.
    pub count: usize,
}

impl Part {
    /// What this process has of so many things that stay together in groups: where its share begins, and how many.
    #[must_use]
    pub fn of(self, things: usize, group: usize) -> (usize, usize) {
        let groups = things / group;
        let before = |number: usize| {
            let (each, rest) = (groups / self.count, groups % self.count);
            group * (each * number + rest.min(number))
        };
        let (first, end) = (before(self.number), before(self.number + 1));
        // What makes no group goes to the last one, which finds out whether it can.
        let rest = if self.number + 1 == self.count {
            things % group
        } else {
            0
        };
        (first, end - first + rest)
    }

    /// What this process has of so many things, each of which can be alone.
    #[must_use]
    pub fn share(self, things: usize) -> usize {
        self.of(things, 1).1
    }
}

impl Common {
    /// How long to measure or hold.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.secs.unwrap_or(Duration::from_secs(10))
    }

    /// What one of several processes does: its connections, of which `group` stay together, from source addresses of
    /// its own.
    ///
    /// # Errors
    /// One line, when there is nothing for it to do.
    pub fn share(&self, part: Part, group: usize) -> Result<Self, String> {
        let (first, connections) = part.of(self.connections, group);
        if connections == 0 {
            let (all, count) = (self.connections, part.count);
            return Err(format!(
                "--processes {count}: {all} connections are too few for so many"
            ));
        }
        let most = self.connections.div_ceil(part.count) + group;
        Ok(Self {
            connections,
            first,
            ..self.apart(part, most)?
        })
    }

    /// The same from source addresses and on a CPU of one of several processes, each of which has so many connections
    /// at most.
    ///
    /// # Errors
    /// One line, when there are not so many addresses.
    pub fn apart(&self, part: Part, connections_max: usize) -> Result<Self, String> {
        let block = Sources::count_for(connections_max);
        let offset = u32::try_from(part.number * block).map_err(|_| "--processes: too many")?;
        let cpu = self.cpu.get(part.number % self.cpu.len().max(1));
        Ok(Self {
            source: Ipv4Addr::from_bits(self.source.to_bits().wrapping_add(offset)),
            cpu: cpu.copied().into_iter().collect(),
            parallel: self.parallel.div_ceil(part.count),
            ..self.clone()
        })
    }
}

/// What one of several processes has of a rate.
#[must_use]
pub fn share_of_rate(rate: Option<f64>, part: Part) -> Option<f64> {
    rate.map(|rate| rate / part.count as f64)
}

/// What one of several processes has of the messages that are under way at any time.
///
/// # Errors
/// One line, when it would have none.
pub fn share_of_outstanding(
    outstanding: Option<usize>,
    part: Part,
) -> Result<Option<usize>, String> {
    let share = outstanding.map(|outstanding| part.share(outstanding));
    match share {
        Some(0) => Err(format!(
            "--outstanding is less than --processes {}",
            part.count
        )),
        share => Ok(share),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_processes_together_have_everything_once(
            things in 0..100_000_usize, group in 1..3_usize, count in 1..20_usize,
        ) {
            let mut next = 0;
            for number in 0..count {
                let (first, share) = Part { number, count }.of(things, group);
                prop_assert_eq!(first, next);
                prop_assert!(first.is_multiple_of(group));
                prop_assert!(share.abs_diff(things / count) <= 2 * group);
                next = first + share;
            }
            prop_assert_eq!(next, things);
        }

        #[test]
        fn no_two_processes_have_a_source_address_in_common(
            connections in 10..200_000_usize, count in 1..5_usize,
        ) {
            let line = format!("loadtest idle --to 127.0.0.1:1 -n {connections} --cpu 1,3");
            let parsed = crate::cli::parse(line.split(' ').map(Into::into));
            let Ok(crate::cli::Command::Idle(arguments)) = parsed else { panic!("{line}") };
            let target = "127.0.0.1:1".parse().unwrap();
            let mut end = 0;
            for number in 0..count {
                let common = arguments.common.share(Part { number, count }, 2).unwrap();
                prop_assert_eq!(&common.cpu, &[[1, 3][number % 2]]);
                let sources = Sources::new(common.source, common.connections);
                // Connections are numbered through.
                let picked = (common.first..common.first + common.connections)
                    .filter_map(|index| sources.pick(index, target))
                    .map(Ipv4Addr::to_bits);
                let (least, most) = picked.fold((u32::MAX, 0), |(least, most), it| (least.min(it), most.max(it)));
                prop_assert!(end < least);
                end = most;
            }
        }
    }

    #[test]
    fn a_process_has_something_to_do() {
        let part = Part {
            number: 2,
            count: 3,
        };
        assert_eq!(share_of_outstanding(Some(7), part), Ok(Some(2)));
        assert!(share_of_outstanding(Some(2), part).is_err());
        assert_eq!(share_of_rate(Some(30.0), part), Some(10.0));
        assert_eq!(
            (share_of_rate(None, part), share_of_outstanding(None, part)),
            (None, Ok(None))
        );
    }
}
