//! Sizes of memory.

/// Smallest size that is asked for: one cache line.
const BYTES_MIN: usize = 64;

/// The bytes to ask for when at least `bytes` are needed: the next of the sizes that the allocator
/// hands out, of which there are four from each power of two to the next. To grow from one to the
/// next is to grow by a fifth or so, and nothing of it is lost between the sizes.
pub(super) fn room(bytes: usize) -> usize {
    let bytes = bytes.max(BYTES_MIN);
    bytes.next_multiple_of(bytes.next_power_of_two() / 8)
}
