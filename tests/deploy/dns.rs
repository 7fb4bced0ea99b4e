//! A name server that knows one address, for whatever name it is asked.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::{net::UdpSocket, task::JoinSet};

/// Type of a record that is an IPv4 address.
const ADDRESS: [u8; 2] = [0, 1];
/// Length of what stands before the question.
const HEAD: usize = 12;

/// A name server; dropping it ends it.
pub(crate) struct NameServer {
    _task: JoinSet<()>,
}

impl NameServer {
    /// Answers with `address` at `at`.
    pub(crate) async fn start(at: SocketAddr, address: Ipv4Addr) -> Self {
        let socket = UdpSocket::bind(at).await.unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut question = [0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut question).await.unwrap();
                let answer = answer(&question[..length], address);
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        Self { _task: task }
    }
}

/// The answer: the address if one is wanted, and no record of any other type.
fn answer(question: &[u8], address: Ipv4Addr) -> Vec<u8> {
    // The name ends with an empty label; its type and its class follow.
    let name = question[HEAD..].iter().position(|byte| *byte == 0).unwrap();
    let end = HEAD + name + 5;
    let has_one = question[HEAD + name + 1..][..2] == ADDRESS;
    let mut answer = question[..2].to_vec();
    // An answer without error, one question, and as many records.
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(has_one), 0, 0, 0, 0]);
    answer.extend(&question[HEAD..end]);
    if has_one {
        // The name as in the question, type, class, a second to live, four bytes.
        answer.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(address.octets());
    }
    answer
}
