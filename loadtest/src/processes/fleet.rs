//! The processes of a run, seen from the one that has started them.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::board::Sheet;
use super::merge::Merge;
use super::{Word, monotonic};
use crate::client::Losses;
use crate::interrupt::Interrupt;
use crate::meter::Sample;
use crate::scenario::RunError;

/// So much later than the last one is ready a phase begins: by then all have heard of it.
const NOTICE: Duration = Duration::from_millis(50);

/// How often it is looked whether there was an interrupt.
const LOOK: Duration = Duration::from_millis(100);

/// The processes.
#[derive(Debug)]
pub struct Fleet {
    members: Vec<Member>,
    heard: Receiver<(usize, Heard)>,
    merge: Merge,
    /// What they write down for each other.
    _sheet: Sheet,
}

/// What came of all of them.
#[derive(Debug)]
pub struct Ended {
    /// What each has measured, beside its samples.
    pub measured: Vec<Value>,
    /// Connections lost, of all together.
    pub losses: Losses,
    /// Those that died, in words; what they have counted until then is part of the samples.
    pub died: Option<String>,
}

#[derive(Debug)]
struct Member {
    child: Child,
    input: ChildStdin,
    is_ready: bool,
    /// What it has measured.
    end: Option<End>,
}

#[derive(Debug)]
enum End {
    Done(Value, Losses),
    Died(String),
}

#[derive(Debug)]
enum Heard {
    Word(Word),
    /// Its output has ended, or is no word.
    Silence,
}

impl Fleet {
    /// Starts so many processes of this program, each with the arguments of this one and its part.
    ///
    /// # Errors
    /// The system refuses.
    pub fn start(count: usize) -> Result<Self, RunError> {
        let failed = |error| RunError::Failed(format!("a process cannot be started: {error}"));
        let program = std::env::current_exe().map_err(failed)?;
        let sheet = Sheet::new().map_err(failed)?;
        let mut board = OsString::from("--board=");
        board.push(sheet.path());
        let (sender, heard) = channel();
        let mut fleet = Self {
            members: Vec::with_capacity(count),
            heard,
            merge: Merge::new(count),
            _sheet: sheet,
        };
        for number in 0..count {
            let mut child = Command::new(&program)
                .args(std::env::args_os().skip(1))
                .arg(format!("--part={}/{count}", number + 1))
                .arg(&board)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .map_err(failed)?;
            let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
                unreachable!("both were asked for");
            };
            let sender = sender.clone();
            std::thread::spawn(move || listen(output, number, &sender));
            fleet.members.push(Member {
                child,
                input,
                is_ready: false,
                end: None,
            });
        }
        Ok(fleet)
    }

    /// Goes along until all have ended; `take` gets what they count, second by second. An interrupt is passed on to
    /// all.
    ///
    /// # Errors
    /// One cannot go on, or all have died.
    pub(crate) fn run(
        mut self,
        interrupt: &Interrupt,
        mut take: impl FnMut(Sample),
    ) -> Result<Ended, RunError> {
        let mut is_passed_on = false;
        while self.members.iter().any(|member| member.end.is_none()) {
            if interrupt.is_asked() && !std::mem::replace(&mut is_passed_on, true) {
                self.pass_on_interrupt();
            }
            let (number, heard) = match self.heard.recv_timeout(LOOK) {
                Ok(heard) => heard,
                Err(RecvTimeoutError::Timeout) => continue,
                // Each of them has fallen silent, and that has been heard.
                Err(RecvTimeoutError::Disconnected) => break,
            };
            self.hear(number, heard)?;
            self.begin_phase();
            while let Some(sample) = self.merge.next() {
                take(sample);
            }
        }
        self.ended()
    }

    /// At a terminal each has it already, and twice is no more than once.
    fn pass_on_interrupt(&self) {
        for member in self.members.iter().filter(|member| member.end.is_none()) {
            if let Some(pid) = Pid::from_raw(member.child.id().cast_signed()) {
                // One that is gone is noticed by its silence.
                let _ = kill_process(pid, Signal::INT);
            }
        }
    }

    fn hear(&mut self, number: usize, heard: Heard) -> Result<(), RunError> {
        let name = self.name(number);
        let member = &mut self.members[number];
        match heard {
            _ if member.end.is_some() => {}
            Heard::Word(Word::Ready) => member.is_ready = true,
            Heard::Word(Word::Sample(mut sample)) => {
                sample.rename_generator(number);
                self.merge.push(number, *sample);
            }
            Heard::Word(Word::Done { measured, losses }) => {
                member.end = Some(End::Done(measured, losses));
                self.merge.end(number);
            }
            Heard::Word(Word::Failed { is_usage, text }) => {
                return Err(match is_usage {
                    true => RunError::Usage(text),
                    false => RunError::Failed(format!("{name}: {text}")),
                });
            }
            Heard::Silence => {
                // What has closed its output has ended, or is of no use any more.
                let _ = member.child.kill();
                let how = member.child.wait();
                let how = how.map_or_else(|error| error.to_string(), |status| status.to_string());
                member.end = Some(End::Died(format!("{name} has ended: {how}")));
                self.merge.end(number);
            }
        }
        Ok(())
    }

    /// Tells all when the next phase begins, once all are ready for it.
    fn begin_phase(&mut self) {
        let is_there = |member: &&mut Member| member.end.is_none();
        let mut waiting = self.members.iter_mut().filter(is_there).peekable();
        if waiting.peek().is_none() || !waiting.all(|member| member.is_ready) {
            return;
        }
        let begin = (monotonic() + NOTICE).as_nanos();
        for member in self.members.iter_mut().filter(is_there) {
            member.is_ready = false;
            // One that is gone is noticed by its silence.
            let _ = writeln!(member.input, "{begin}");
        }
    }

    fn name(&self, number: usize) -> String {
        let member = &self.members[number];
        let (number, count, pid) = (number + 1, self.members.len(), member.child.id());
        format!("process {number} of {count} (pid {pid}) of the load generator")
    }

    fn ended(&mut self) -> Result<Ended, RunError> {
        let mut ended = Ended {
            measured: Vec::new(),
            losses: Losses::default(),
            died: None,
        };
        let mut died = Vec::new();
        for member in &mut self.members {
            match member.end.take() {
                Some(End::Done(measured, losses)) => {
                    ended.measured.push(measured);
                    ended.losses.merge(losses);
                }
                Some(End::Died(how)) => died.push(how),
                None => {}
            }
        }
        if ended.measured.is_empty() {
            return Err(RunError::Failed(died.join("; ")));
        }
        ended.died = (!died.is_empty()).then(|| died.join("; "));
        Ok(ended)
    }
}

/// None outlives a run.
impl Drop for Fleet {
    fn drop(&mut self) {
        for member in &mut self.members {
            // It may have ended by itself.
            let _ = member.child.kill();
            let _ = member.child.wait();
        }
    }
}

/// Hands on what a process says.
fn listen(output: ChildStdout, number: usize, sender: &Sender<(usize, Heard)>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let Ok(word) = serde_json::from_str(&line) else {
            break;
        };
        if sender.send((number, Heard::Word(word))).is_err() {
            return;
        }
    }
    // Nobody is left to hear of it when the run is over.
    let _ = sender.send((number, Heard::Silence));
}
