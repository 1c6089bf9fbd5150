//! A valid trace context, read as strictly as [W3C Trace Context](https://www.w3.org/TR/trace-context/) requires.

use std::fmt;

use uuid::Uuid;

/// The bit of the flags that says that the caller may have recorded the trace.
const SAMPLED: u8 = 1;
/// The length of `traceparent` of version 00. Later versions may append more after a hyphen.
const LENGTH: usize = 55;
/// The longest `tracestate` that must be passed on; a longer one is dropped.
const MAX_STATE_LENGTH: usize = 512;

/// The trace that a request or message belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: [u8; 16],
    parent_id: [u8; 8],
    flags: u8,
    state: Option<String>,
}

impl TraceContext {
    /// Reads `traceparent`, and `tracestate` if there is one. `None` for a context that the specification calls invalid.
    ///
    /// An invalid `tracestate` is dropped, and the rest stays valid. Of a later version than 00, only the known parts are
    /// kept.
    #[must_use]
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        // Slicing by bytes is safe from here on.
        let text = traceparent.is_ascii().then_some(traceparent)?;
        let known = text.get(..LENGTH)?;
        let [version] = hex(known.get(..2)?)?;
        let rest = &text[LENGTH..];
        let is_complete =
            if version == 0 { rest.is_empty() } else { rest.is_empty() || rest.starts_with('-') };
        let is_separated = [2, 35, 52].iter().all(|&at| known.as_bytes()[at] == b'-');
        let trace_id = hex(&known[3..35])?;
        let parent_id = hex(&known[36..52])?;
        let [flags] = hex(&known[53..])?;
        let is_valid = version != 0xff && trace_id != [0; 16] && parent_id != [0; 8];
        let state = tracestate.map(str::trim).filter(|it| is_state(it)).map(str::to_owned);
        (is_complete && is_separated && is_valid)
            // Version 00 defines one flag, and the others must not be set by who writes it.
            .then_some(Self { trace_id, parent_id, flags: flags & SAMPLED, state })
    }

    /// A new trace that is not recorded. The seed must be unique and not nil, such as the id of the message that starts the
    /// trace: a redelivery of the message then belongs to the same trace.
    #[must_use]
    pub fn start(seed: Uuid) -> Self {
        let seed = if seed.is_nil() { Uuid::max() } else { seed };
        let trace_id = seed.into_bytes();
        // The half of a UUID that has its variant, so it is never zero.
        let parent_id = seed.as_u64_pair().1.max(1).to_be_bytes();
        Self { trace_id, parent_id, flags: 0, state: None }
    }

    /// The id of the trace: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        Uuid::from_bytes(self.trace_id).simple().to_string()
    }

    /// Whether the caller may have recorded the trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The vendors' part of the context, `tracestate`.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// As `traceparent` of version 00.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parent_id = u64::from_be_bytes(self.parent_id);
        write!(f, "00-{}-{parent_id:016x}-{:02x}", self.trace_id(), self.flags)
    }
}

/// Bytes as lower-case hexadecimal digits; the specification allows no others.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let is_hex = digits.iter().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
    if digits.len() != 2 * N || !is_hex {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

/// Whether a `tracestate` may be passed on as it is. Its members are for vendors, which check them.
fn is_state(text: &str) -> bool {
    let is_printable = text.bytes().all(|it| matches!(it, b' '..=b'~' | b'\t'));
    !text.is_empty()
        && text.len() <= MAX_STATE_LENGTH
        && is_printable
        && text.split(',').map(str::trim).all(|it| it.is_empty() || it.contains('='))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_context_has_its_trace_id_its_flag_and_its_state() {
        let context = TraceContext::parse(GOOD, Some(" vendor=1,other=a@b ")).unwrap();
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert!(context.is_sampled());
        assert_eq!(context.state(), Some("vendor=1,other=a@b"));
        assert!(!TraceContext::parse(&GOOD.replace("-01", "-00"), None).unwrap().is_sampled());
    }

    #[test]
    fn an_invalid_context_is_none() {
        for invalid in [
            "",
            "x",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.more",
            " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceContext::parse(invalid, None), None, "{invalid}");
        }
    }

    #[test]
    fn of_a_later_version_the_known_parts_are_kept() {
        for later in [GOOD.replace("00-4", "cc-4"), GOOD.replace("00-4", "cc-4") + "-more"] {
            assert_eq!(TraceContext::parse(&later, None).unwrap().to_string(), GOOD, "{later}");
        }
    }

    #[test]
    fn an_invalid_state_is_dropped_and_the_rest_is_kept() {
        let long = format!("a={}", "b".repeat(MAX_STATE_LENGTH));
        for invalid in ["", " ", "no member", "a=ü", "a=\r\nx: y", &long] {
            let context = TraceContext::parse(GOOD, Some(invalid)).unwrap();
            assert_eq!(
                (context.state(), context.to_string()),
                (None, GOOD.to_owned()),
                "{invalid}"
            );
        }
    }

    #[test]
    fn a_new_trace_is_valid_not_sampled_and_the_same_for_the_same_seed() {
        for seed in [Uuid::nil(), Uuid::from_u128(7 << 64), Uuid::max(), Uuid::from_u128(7)] {
            let context = TraceContext::start(seed);
            assert!(!context.is_sampled());
            assert_eq!(TraceContext::parse(&context.to_string(), None), Some(context.clone()));
            assert_eq!(TraceContext::start(seed), context);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(trace in 1_u128.., parent in 1_u64.., flags: u8) {
            let written = format!("00-{trace:032x}-{parent:016x}-{flags:02x}");
            let context = TraceContext::parse(&written, None).unwrap();
            prop_assert_eq!(context.trace_id(), format!("{trace:032x}"));
            prop_assert_eq!(context.is_sampled(), flags & 1 == 1);
            let again = TraceContext::parse(&context.to_string(), None);
            prop_assert_eq!(again, Some(context));
        }

        #[test]
        fn no_text_makes_it_panic_and_what_is_read_is_valid(text in "\\PC{0,60}|[0-9a-f-]{53,60}", state in "\\PC{0,20}") {
            if let Some(context) = TraceContext::parse(&text, Some(&state)) {
                prop_assert_eq!(TraceContext::parse(&context.to_string(), context.state()), Some(context));
            }
        }

        #[test]
        fn one_wrong_character_makes_it_invalid(at in 0_usize..55, wrong in "[^0-9a-f-]") {
            let text: String = GOOD.chars().enumerate().map(|(place, it)| {
                if place == at { wrong.clone() } else { it.to_string() }
            }).collect();
            prop_assert_eq!(TraceContext::parse(&text, None), None);
        }
    }
}
