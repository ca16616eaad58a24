//! Numbers that look random and are computed: SplitMix64 over the scope's seed.
//!
//! `decide` must give the same answer to the same question, so "random" is a function of the
//! seed the driver put into the input. Not for secrets: tokens and keys are made elsewhere.

/// A sequence of numbers that depends on its seed alone.
#[derive(Clone, Debug)]
pub(crate) struct Chance {
    state: u64,
}

/// The odd constant of SplitMix64, 2^64 divided by the golden ratio.
const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

impl Chance {
    /// Starts the sequence of a seed; `stream` keeps two expressions of one scope apart.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut chance = Self { state: seed ^ stream.wrapping_mul(GOLDEN_GAMMA) };
        // One step mixes neighbouring streams before the first number is handed out.
        chance.state = chance.bits();
        chance
    }

    /// Starts the sequence of one expression: by its field, and its number in the field.
    pub(crate) fn of_field(seed: u64, field: &str, number: u64) -> Self {
        let named = field
            .bytes()
            .fold(seed, |mixed, byte| (mixed ^ u64::from(byte)).wrapping_mul(GOLDEN_GAMMA));
        Self::new(named, number)
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_GAMMA);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number from 0 up to, but without, 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        // 53 bits are what a double keeps exactly.
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The next number from `low` up to, but without, `high`; `low` if the range is empty.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u128::try_from(i128::from(high) - i128::from(low)).unwrap_or(0);
        let step = (u128::from(self.bits()) * width) >> 64;
        low.saturating_add(i64::try_from(step).unwrap_or(0))
    }

    /// The next UUID, version 4 in form.
    pub(crate) fn uuid(&mut self) -> String {
        let bits = (u128::from(self.bits()) << 64) | u128::from(self.bits());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_sequence() {
        let (mut one, mut two) = (Chance::new(7, 0), Chance::new(7, 0));
        for _ in 0..100 {
            assert_eq!(one.bits(), two.bits());
        }
        assert_ne!(Chance::new(7, 0).uuid(), Chance::new(7, 1).uuid());
        assert_ne!(Chance::new(7, 0).uuid(), Chance::new(8, 0).uuid());
    }

    #[test]
    fn a_number_between_stays_in_its_range() {
        let mut chance = Chance::new(1, 0);
        for _ in 0..1_000 {
            assert!((-3..4).contains(&chance.between(-3, 4)));
            assert!((0.0..1.0).contains(&chance.fraction()));
        }
        assert_eq!(chance.between(5, 5), 5);
        assert!(chance.between(i64::MIN, i64::MAX) < i64::MAX);
    }
}
