//! `index.index`: where everything leads that names nothing else.

use super::{Acting, Controller, Halt, Scene};
use crate::dialect::live::{Builtin, Effect, INDEX};

/// The controller.
#[derive(Debug)]
pub(super) struct Index;

impl Controller for Index {
    fn builtin(&self) -> Builtin {
        Builtin {
            controller: "index.index",
            actions: &["index"],
        }
    }

    fn act<'a>(&'a self, _: &'a Scene<'a>, action: &'a str) -> Acting<'a> {
        Box::pin(async move {
            match action {
                "index" => Ok(vec![Effect::Reply(INDEX)]),
                _ => Err(Halt::Missing),
            }
        })
    }
}
