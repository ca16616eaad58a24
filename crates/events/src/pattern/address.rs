//! IP addresses in patterns: `cidr`, and addresses written as plain values.
//!
//! A value that reads as an address equals every spelling of that address, as in EventBridge.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of addresses, both ends inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    first: IpAddr,
    last: IpAddr,
}

impl Block {
    /// Reads `address/mask bits`; the error says what is wrong.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let (address, bits) = text
            .split_once('/')
            .ok_or_else(|| "needs one `/` between address and mask bits".to_owned())?;
        let address = read(address).ok_or_else(|| format!("`{address}` is no IP address"))?;
        let bits: u32 =
            bits.parse().map_err(|_| format!("mask bits `{bits}` are no whole number"))?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        if bits >= width {
            return Err(format!("mask bits must be less than {width}"));
        }
        Ok(match address {
            IpAddr::V4(v4) => {
                let free = u32::MAX >> bits;
                Self {
                    first: IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & !free)),
                    last: IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() | free)),
                }
            }
            IpAddr::V6(v6) => {
                let free = u128::MAX >> bits;
                Self {
                    first: IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !free)),
                    last: IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() | free)),
                }
            }
        })
    }

    /// Whether the text is an address of the block.
    pub(crate) fn contains(&self, text: &str) -> bool {
        read(text).is_some_and(|address| {
            address.is_ipv4() == self.first.is_ipv4()
                && self.first <= address
                && address <= self.last
        })
    }
}

/// Reads an address; leading zeros in a dotted address are decimal zeros.
pub(crate) fn read(text: &str) -> Option<IpAddr> {
    if text.contains('.') {
        return dotted(text).map(IpAddr::V4);
    }
    let address: Ipv6Addr = text.parse().ok()?;
    Some(address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4))
}

fn dotted(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0_u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *octet = part.parse().ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from(octets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_its_first_and_last_address_and_no_neighbour() {
        let block = Block::read("10.0.0.77/26").expect("the block is written well");
        assert!(block.contains("10.0.0.64") && block.contains("10.0.0.127"));
        assert!(!block.contains("10.0.0.63") && !block.contains("10.0.0.128"));
        assert!(!block.contains("::a00:40"), "a v6 address is in no v4 block");
    }

    #[test]
    fn a_v6_block_takes_every_spelling() {
        let block = Block::read("2001:db8::/32").expect("the block is written well");
        assert!(block.contains("2001:0DB8:0000:0000:0000:0000:0000:0001"));
        assert!(!block.contains("2001:db9::1"));
    }

    #[test]
    fn malformed_blocks_are_refused_in_words() {
        for text in ["10.0.0.0", "x/8", "10.0.0.0/32", "::/128", "10.0.0.0/-1", "::1.2.3.4/8"] {
            assert!(Block::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_an_address_is_none() {
        for text in ["08:23", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.+4", "", ":"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
