//! Digests: short names of what is too long, too secret or too wild to be one.

use aws_lc_rs::digest::{Context, SHA256};

/// The first half of SHA-256 of these parts: 128 bits, which no two texts share by chance. The order of
/// the parts and their borders count. The same on every node.
pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 16] {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let digest = context.finish();
    let half = digest.as_ref().first_chunk();
    *half.expect("SHA-256 has 32 bytes")
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_depends_on_each_part_and_on_their_borders() {
        let digest = |parts: &[&str]| of_parts(parts.iter().map(|part| part.as_bytes()));
        assert_eq!(digest(&["a", "bc"]), digest(&["a", "bc"]));
        assert_ne!(digest(&["a", "bc"]), digest(&["ab", "c"]));
        assert_ne!(digest(&["a", "bc"]), digest(&["a", "bc", ""]));
    }
}
