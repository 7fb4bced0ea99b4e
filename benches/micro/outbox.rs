//! A session's outbox: something is put into it, and written.

use std::{hint::black_box, io::IoSlice};

use tidegate::{
    frame::Frame,
    outbox::{Entry, Outbox},
};

use crate::Step;

const BYTES_MAX: usize = 262_144;
const SLICES: usize = 64;

pub(crate) fn steps() -> Vec<Step> {
    [1, 8]
        .map(|frames| {
            Step::new(format!("outbox/push and write {frames}"), move || {
                let frame = Frame::text(&[b'x'; 128]);
                let mut outbox = Outbox::default();
                move || {
                    for _ in 0..frames {
                        let entry = Entry::frame(black_box(&frame).clone(), 0);
                        black_box(outbox.push(entry, BYTES_MAX));
                    }
                    let mut slices = [IoSlice::new(&[]); SLICES];
                    let count = outbox.slices(&mut slices, BYTES_MAX);
                    let bytes = slices[..count].iter().map(|slice| slice.len()).sum();
                    black_box(outbox.advance(bytes));
                    assert!(outbox.is_empty());
                }
            })
        })
        .into()
}
