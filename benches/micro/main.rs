//! What single steps of the hot path cost.
//!
//! ```text
//! cargo bench --bench micro                     times, by criterion
//! scripts/instructions                          instructions, compared with those that are stored
//! ```
//!
//! `micro list` prints the names of all steps, and `micro run NAME TIMES` does one so many times within
//! [`measured`]: valgrind counts what happens there and nothing else, neither the preparation nor the start of
//! the process. Both differ from run to run, by more than what some steps take.

mod bus;
mod dialects;
mod directory;
mod fanout;
mod outbox;

use std::process::ExitCode;

use criterion::Criterion;
use tikv_jemallocator::Jemalloc;

/// As in the node.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// A step that can be done again and again.
struct Step {
    name: String,
    /// Prepares it, and gives what does it once.
    prepare: Box<dyn Fn() -> Box<dyn FnMut()>>,
}

impl Step {
    fn new<F: FnMut() + 'static>(
        name: impl Into<String>,
        prepare: impl Fn() -> F + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            prepare: Box::new(move || Box::new(prepare())),
        }
    }
}

fn main() -> ExitCode {
    let steps = [
        dialects::steps(),
        outbox::steps(),
        fanout::steps(),
        directory::steps(),
        bus::steps(),
    ];
    let steps: Vec<Step> = steps.into_iter().flatten().collect();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match &arguments[..] {
        ["list"] => steps.iter().for_each(|step| println!("{}", step.name)),
        ["run", name, times] => return run(&steps, name, times),
        _ => time(&steps),
    }
    ExitCode::SUCCESS
}

fn run(steps: &[Step], name: &str, times: &str) -> ExitCode {
    let step = steps.iter().find(|step| step.name == name);
    let (Some(step), Ok(times)) = (step, times.parse::<u64>()) else {
        eprintln!("micro run NAME TIMES: see micro list");
        return ExitCode::from(2);
    };
    let mut once = (step.prepare)();
    // The first one may still grow what the others find grown.
    once();
    measured(&mut *once, times);
    ExitCode::SUCCESS
}

/// `scripts/instructions` names it.
#[inline(never)]
fn measured(once: &mut dyn FnMut(), times: u64) {
    for _ in 0..times {
        once();
    }
}

fn time(steps: &[Step]) {
    let mut criterion = Criterion::default().configure_from_args();
    for step in steps {
        let mut once = (step.prepare)();
        criterion.bench_function(&step.name, |bencher| bencher.iter(&mut once));
    }
    criterion.final_summary();
}
