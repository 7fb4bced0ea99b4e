//! Pauses between calls that fail: each twice as long as the one before, and half of it by chance, so that those
//! who failed together do not come back in step.

use std::{
    future::Future,
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use tokio::time;

/// Pauses that become longer until something succeeds.
#[derive(Debug)]
pub struct Pauses {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Pauses {
    /// The first one is `min` at most, and none is longer than `max`.
    pub const fn new(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max,
            next: min,
        }
    }

    /// Something has succeeded.
    pub fn reset(&mut self) {
        self.next = self.min;
    }

    /// How long to wait now.
    pub fn take(&mut self) -> Duration {
        let pause = jittered(self.next);
        self.next = (self.next * 2).min(self.max);
        pause
    }

    /// Waits. Cancel safe: a wait that was begun counts.
    pub fn wait(&mut self) -> impl Future<Output = ()> + use<> {
        time::sleep(self.take())
    }
}

/// Something between half and all of it.
pub fn jittered(whole: Duration) -> Duration {
    whole.mul_f64(0.5 + chance() / 2.0)
}

/// A number from 0 to 1, by chance.
pub fn chance() -> f64 {
    let bits = RandomState::new().hash_one(0) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_until_something_succeeds() {
        let ms = Duration::from_millis;
        let mut pauses = Pauses::new(ms(100), ms(350));
        for whole in [100, 200, 350, 350] {
            let pause = pauses.take();
            assert!(ms(whole) / 2 <= pause && pause <= ms(whole), "{pause:?}");
        }
        pauses.reset();
        assert!(pauses.take() <= ms(100));
        assert_ne!(chance(), chance());
    }
}
