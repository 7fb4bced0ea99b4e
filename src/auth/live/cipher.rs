//! The original's cipher: 3DES in ECB mode, padding of PKCS#5, and base64 with `*:_` for `+/=`.

use std::fmt;

use des::{
    TdesEde3,
    cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit},
};
use subtle::{Choice, ConstantTimeEq as _, ConstantTimeLess as _};

/// Bytes of a key, and what shorter ones are filled up with.
const KEY_BYTES: usize = 24;
const FILLER: u8 = b'0';
/// Bytes of a block.
const BLOCK_BYTES: usize = 8;
/// The digits of base64 in this form, by value, and what stands at its end.
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*:";
const PAD: u8 = b'_';

/// A key that texts are sealed and opened with.
pub struct Cipher(TdesEde3);

// === impl Cipher ===

impl Cipher {
    /// With a key; a longer one counts up to its 24th byte.
    pub fn new(key: &str) -> Self {
        let mut bytes = [FILLER; KEY_BYTES];
        for (byte, given) in bytes.iter_mut().zip(key.bytes()) {
            *byte = given;
        }
        Self(TdesEde3::new(&bytes.into()))
    }

    /// Seals a text.
    pub fn encode(&self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        let padding = BLOCK_BYTES - bytes.len() % BLOCK_BYTES;
        bytes.resize(bytes.len() + padding, padding as u8);
        for block in bytes.as_chunks_mut::<BLOCK_BYTES>().0 {
            let mut copy = Block::<TdesEde3>::from(*block);
            self.0.encrypt_block(&mut copy);
            *block = copy.into();
        }
        to_base64(&bytes)
    }

    /// Opens a text. Nothing: it was not sealed with this key, or is empty.
    pub fn decode(&self, sealed: &str) -> Option<Vec<u8>> {
        let mut bytes = of_base64(sealed);
        let (blocks, []) = bytes.as_chunks_mut::<BLOCK_BYTES>() else {
            return None;
        };
        for block in blocks {
            let mut copy = Block::<TdesEde3>::from(*block);
            self.0.decrypt_block(&mut copy);
            *block = copy.into();
        }
        let length = unpadded(&bytes)?;
        bytes.truncate(length);
        Some(bytes)
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(..)")
    }
}

/// The last byte says how many of its kind stand at the end, which may be more than a block. How many
/// there are and which one is wrong does not show in the time that it takes.
fn unpadded(bytes: &[u8]) -> Option<usize> {
    let count = *bytes.last()?;
    let mut is_good = !count.ct_eq(&0);
    for (back, byte) in bytes.iter().rev().take(usize::from(u8::MAX)).enumerate() {
        let is_padding = (back as u8).ct_lt(&count);
        is_good &= !is_padding | byte.ct_eq(&count);
    }
    is_good &= Choice::from(u8::from(usize::from(count) <= bytes.len()));
    let length = bool::from(is_good).then(|| bytes.len() - usize::from(count))?;
    (0 < length).then_some(length)
}

pub(super) fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let mut word = [0; 3];
        word[..group.len()].copy_from_slice(group);
        let word = u32::from_be_bytes([0, word[0], word[1], word[2]]);
        for digit in 0..4 {
            let value = word >> (18 - 6 * digit) & 63;
            let byte = if group.len() < digit {
                PAD
            } else {
                DIGITS[value as usize]
            };
            text.push(char::from(byte));
        }
    }
    text
}

/// Passes over what is no digit, and over bits that are left over, as PHP does.
pub(super) fn of_base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut word, mut bits) = (0_u32, 0);
    for byte in text.bytes() {
        let Some(value) = value_of(byte) else {
            continue;
        };
        word = word << 6 | value;
        bits += 6;
        if 8 <= bits {
            bits -= 8;
            bytes.push((word >> bits) as u8);
            word &= (1 << bits) - 1;
        }
    }
    bytes
}

fn value_of(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        // Some take what base64 itself has instead of what stands for it.
        b'*' | b'+' => 62,
        b':' | b'/' => 63,
        _ => return None,
    })
}
