//! Receipts: what stands for one receiving of one message.

use crate::failure::invalid;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ports::Result;

/// Stands for one receiving of one message: `base64url( queue · message · receives · id )`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) queue: i64,
    pub(super) message: i64,
    pub(super) received: u32,
    /// Says that it is still the same message behind the number.
    pub(super) id: [u8; 16],
}

/// The length of a receipt in bytes.
const BYTES: usize = 36;

impl Receipt {
    pub(super) fn text(&self) -> String {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(&self.queue.to_be_bytes());
        bytes.extend_from_slice(&self.message.to_be_bytes());
        bytes.extend_from_slice(&self.received.to_be_bytes());
        bytes.extend_from_slice(&self.id);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a receipt that was given out.
    pub(super) fn read(text: &str) -> Result<Self> {
        Self::parse(text).ok_or_else(|| invalid("read the receipt: it is none of ours"))
    }

    fn parse(text: &str) -> Option<Self> {
        if text.len() > 2 * BYTES {
            return None;
        }
        let bytes: [u8; BYTES] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (queue, rest) = bytes.split_first_chunk()?;
        let (message, rest) = rest.split_first_chunk()?;
        let (received, id) = rest.split_first_chunk()?;
        Some(Self {
            queue: i64::from_be_bytes(*queue),
            message: i64::from_be_bytes(*message),
            received: u32::from_be_bytes(*received),
            id: id.try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_receipt_survives_its_text(queue: i64, message: i64, received: u32, id: [u8; 16]) {
            let receipt = Receipt { queue, message, received, id };
            prop_assert_eq!(Receipt::read(&receipt.text()).unwrap(), receipt);
        }

        #[test]
        fn no_other_text_is_taken(text in ".{0,80}") {
            prop_assume!(text.len() != 48);
            prop_assert!(Receipt::read(&text).is_err());
        }
    }
}
