//! Magic cards: the tokens that make the sandbox misbehave on request.
//!
//! Owns: the names of the tricks, how they combine with `+`, and what each does to a call.
//! Does not own: counting the calls (that is `account`), waiting and silence (that is `api`).

use super::account::Reason;
use crate::wire::OperationKind;

/// How many calls of each kind `tok_flaky_2` answers with 503.
const FLAKY_CALLS: u32 = 2;

/// How many voids `tok_void_fails_3` answers with 503.
const FAILING_VOIDS: u32 = 3;

/// One thing a card does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trick {
    /// Nothing special.
    Approve,
    /// Declines the authorization.
    Decline,
    /// Declines the authorization for want of money.
    InsufficientFunds,
    /// Delays every answer.
    Slow,
    /// Answers the first two calls of each kind with 503.
    Flaky2,
    /// Neither applies nor answers the first authorization.
    TimeoutBeforeApply,
    /// Applies the first authorization, but does not answer it.
    TimeoutAfterApply,
    /// Authorizes, but declines the capture.
    CaptureFails,
    /// Answers the first three voids with 503.
    VoidFails3,
}

/// Every trick by the token that asks for it.
const TRICKS: [(&str, Trick); 9] = [
    ("tok_approve", Trick::Approve),
    ("tok_decline", Trick::Decline),
    ("tok_insufficient_funds", Trick::InsufficientFunds),
    ("tok_slow", Trick::Slow),
    ("tok_flaky_2", Trick::Flaky2),
    ("tok_timeout_before_apply", Trick::TimeoutBeforeApply),
    ("tok_timeout_after_apply", Trick::TimeoutAfterApply),
    ("tok_capture_fails", Trick::CaptureFails),
    ("tok_void_fails_3", Trick::VoidFails3),
];

impl Trick {
    fn named(token: &str) -> Option<Self> {
        TRICKS.iter().find(|(name, _)| *name == token).map(|(_, trick)| *trick)
    }

    fn token(self) -> &'static str {
        TRICKS.iter().find(|(_, trick)| *trick == self).map_or("", |(name, _)| name)
    }
}

/// What goes wrong with a call, whatever it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not applied; answered with 503.
    Unavailable,
    /// Not applied and never answered.
    LostBeforeApply,
    /// Applied, but never answered.
    LostAfterApply,
}

/// A card, as its token describes it.
///
/// The text of an unknown token is not kept: it might be a card number sent by mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Card {
    /// None of ours.
    Unknown,
    /// A card with these tricks.
    Known(Vec<Trick>),
}

impl Default for Card {
    /// The card of a reference that was never authorized: nothing special.
    fn default() -> Self {
        Self::Known(vec![Trick::Approve])
    }
}

impl Card {
    /// Reads a token; one unknown part makes the whole card unknown.
    pub(super) fn named(token: &str) -> Self {
        token.split('+').map(Trick::named).collect::<Option<_>>().map_or(Self::Unknown, Self::Known)
    }

    /// The token that reads as this card.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Unknown => "unknown".to_owned(),
            Self::Known(tricks) => {
                let tokens: Vec<_> = tricks.iter().map(|trick| trick.token()).collect();
                tokens.join("+")
            }
        }
    }

    fn has(&self, trick: Trick) -> bool {
        match self {
            Self::Unknown => false,
            Self::Known(tricks) => tricks.contains(&trick),
        }
    }

    /// Whether every answer is delayed.
    pub(super) fn is_slow(&self) -> bool {
        self.has(Trick::Slow)
    }

    /// What goes wrong with a call of `kind` that `calls_before` of the kind came before.
    ///
    /// Tricks that combine take turns: first the 503s, then the two kinds of silence.
    pub(super) fn fault(&self, kind: OperationKind, calls_before: u32) -> Option<Fault> {
        let unavailable = self.unavailable_calls(kind);
        if calls_before < unavailable {
            return Some(Fault::Unavailable);
        }
        if kind != OperationKind::Authorization {
            return None;
        }
        let loses_before = u32::from(self.has(Trick::TimeoutBeforeApply));
        let loses_after = u32::from(self.has(Trick::TimeoutAfterApply));
        let turn = calls_before - unavailable;
        if turn < loses_before {
            Some(Fault::LostBeforeApply)
        } else if turn < loses_before + loses_after {
            Some(Fault::LostAfterApply)
        } else {
            None
        }
    }

    fn unavailable_calls(&self, kind: OperationKind) -> u32 {
        let flaky = if self.has(Trick::Flaky2) { FLAKY_CALLS } else { 0 };
        let fails_void = kind == OperationKind::Void && self.has(Trick::VoidFails3);
        flaky.max(if fails_void { FAILING_VOIDS } else { 0 })
    }

    /// Why the card itself refuses an operation of `kind`, if it does.
    pub(super) fn refusal(&self, kind: OperationKind) -> Option<Reason> {
        match kind {
            OperationKind::Authorization if *self == Self::Unknown => Some(Reason::UnknownCard),
            OperationKind::Authorization if self.has(Trick::Decline) => Some(Reason::Declined),
            OperationKind::Authorization if self.has(Trick::InsufficientFunds) => {
                Some(Reason::InsufficientFunds)
            }
            OperationKind::Capture if self.has(Trick::CaptureFails) => {
                Some(Reason::CaptureDeclined)
            }
            OperationKind::Authorization
            | OperationKind::Capture
            | OperationKind::Void
            | OperationKind::Refund => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_card_survives_its_name() {
        for (name, _) in TRICKS {
            assert_eq!(Card::named(name).name(), name);
        }
        let both = "tok_capture_fails+tok_void_fails_3";
        assert_eq!(Card::named(both).name(), both);
    }

    #[test]
    fn all_cards_joined_fit_into_a_token() {
        let all: Vec<_> = TRICKS.iter().map(|(name, _)| *name).collect();
        assert!(all.join("+").len() <= crate::wire::CARD_TOKEN_LENGTH_MAX);
    }

    #[test]
    fn a_number_in_place_of_a_token_is_unknown_and_forgotten() {
        for token in ["4242424242424242", "", "+", "tok_approve+4242", "TOK_APPROVE"] {
            assert_eq!(Card::named(token).name(), "unknown", "{token}");
        }
    }

    #[test]
    fn combined_faults_take_turns() {
        let card = Card::named("tok_timeout_after_apply+tok_timeout_before_apply+tok_flaky_2");
        let faults: Vec<_> =
            (0..5).map(|calls| card.fault(OperationKind::Authorization, calls)).collect();
        assert_eq!(
            faults,
            [
                Some(Fault::Unavailable),
                Some(Fault::Unavailable),
                Some(Fault::LostBeforeApply),
                Some(Fault::LostAfterApply),
                None
            ]
        );
    }

    #[test]
    fn three_voids_fail_though_two_calls_are_flaky() {
        let card = Card::named("tok_flaky_2+tok_void_fails_3");
        assert_eq!(card.fault(OperationKind::Void, 2), Some(Fault::Unavailable));
        assert_eq!(card.fault(OperationKind::Void, 3), None);
        assert_eq!(card.fault(OperationKind::Refund, 2), None);
    }
}
