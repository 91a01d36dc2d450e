//! Any fields `traceparent` and `tracestate`.
//!
//! Fields are separated by NUL; those that begin with `p` are a `traceparent`, the others a
//! `tracestate`, each without its first byte. What is read is what a slow reading of the rules in
//! `spec/trace-context.md` gives, and what is written reads again.

use towline_core::{
    Incoming, SpanId, TraceFlags, TraceId, Traceparent, TraceparentError, TracestateError, read,
};

const OWN: &str = "77b0e190:4x4";

/// Checks one input.
pub fn check(data: &[u8]) {
    let (mut parents, mut states) = (Vec::new(), Vec::new());
    for field in data.split(|&byte| byte == 0) {
        match field {
            [b'p', value @ ..] => parents.push(value),
            [_, value @ ..] => states.push(value),
            [] => {}
        }
    }
    let read = read(parents.iter().copied(), states.iter().copied());
    let ids = traceparent(&parents);
    match (read, ids) {
        (Err(error), ids) => assert_eq!(Err(error), ids),
        (Ok(read), ids) => {
            let context = &read.context;
            let bits = context.flags.bits();
            assert_eq!(ids, Ok((context.trace_id, context.parent_id, bits)));
            assert!(bits < 4, "{bits}");
            passed_on(&read, &states);
        }
    }
}

/// The ids and flags of the only `traceparent`.
fn traceparent(fields: &[&[u8]]) -> Result<(TraceId, SpanId, u8), TraceparentError> {
    let [field] = fields else {
        return Err(if fields.is_empty() {
            TraceparentError::Absent
        } else {
            TraceparentError::Duplicate
        });
    };
    if field.contains(&b',') {
        return Err(TraceparentError::Duplicate);
    }
    let text = String::from_utf8_lossy(field);
    let text = text.trim_matches([' ', '\t']);
    let [version, trace, parent, rest @ ..] = &text.splitn(4, '-').collect::<Vec<_>>()[..] else {
        return Err(TraceparentError::Malformed);
    };
    let (flags, more) = match rest {
        [rest] => rest
            .split_once('-')
            .map_or((*rest, None), |(flags, more)| (flags, Some(more))),
        _ => return Err(TraceparentError::Malformed),
    };
    let digits = [(*version, 2), (*trace, 32), (*parent, 16), (flags, 2)];
    let hex = |text: &str| text.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
    let well_formed = digits
        .iter()
        .all(|(text, length)| text.len() == *length && hex(text));
    // A line break cannot come through HTTP.
    let later = more.is_some_and(|more| *version == "00" || more.contains('\n'));
    if !well_formed || *version == "ff" || later {
        return Err(TraceparentError::Malformed);
    }
    let trace = TraceId::parse(trace.as_bytes()).ok_or(TraceparentError::ZeroId)?;
    let parent = SpanId::parse(parent.as_bytes()).ok_or(TraceparentError::ZeroId)?;
    let flags = u8::from_str_radix(flags, 16).expect("two hex digits");
    Ok((trace, parent, flags & 3))
}

type Members<'a> = (Vec<&'a str>, Option<&'a str>);

/// The members of others and the value of ours.
fn tracestate(list: &str) -> Result<Members<'_>, TracestateError> {
    let is_value = |c: char| matches!(c, ' '..='~') && !",=".contains(c);
    let is_key = |c: char| matches!(c, 'a'..='z' | '0'..='9') || "_-*/@".contains(c);
    let trimmed = list.split(',').map(|text| text.trim_matches([' ', '\t']));
    let members: Vec<&str> = trimmed.filter(|member| !member.is_empty()).collect();
    let (mut others, mut own) = (Vec::new(), None);
    for member in &members {
        let (key, value) = member.split_once('=').ok_or(TracestateError::Malformed)?;
        let lengths = [key, value]
            .iter()
            .all(|part| (1..=256).contains(&part.len()));
        let grammar = key.chars().all(is_key) && value.chars().all(is_value);
        let first = !key.starts_with(['_', '-', '*', '/', '@']);
        if !lengths || !grammar || !first || value.ends_with(' ') {
            return Err(TracestateError::Malformed);
        }
        if key == "towline" {
            own = own.or(Some(value));
        } else {
            others.push(*member);
        }
    }
    if members.len() > 32 {
        return Err(TracestateError::TooManyMembers);
    }
    Ok((others, own))
}

/// What is sent on reads again: the ids, the members of others, and ours in front where it fits.
fn passed_on(incoming: &Incoming<'_>, states: &[&[u8]]) {
    let context = &incoming.context;
    let list: Vec<_> = states
        .iter()
        .map(|state| String::from_utf8_lossy(state))
        .collect();
    let list = list.join(",");
    let (others, own) = match tracestate(&list) {
        Ok(members) => {
            assert_eq!(incoming.tracestate_dropped, None);
            members
        }
        Err(error) => {
            assert_eq!(incoming.tracestate_dropped, Some(error));
            (Vec::new(), None)
        }
    };
    assert_eq!(incoming.own, own);
    assert_eq!(context.tracestate.as_str(), others.join(","));
    assert_eq!(context.tracestate.is_empty(), others.is_empty());

    // Our value, and one whose length the input decides, around the limits.
    let filled = "x".repeat(others.first().map_or(0, |member| member.len() % 300));
    for own in [OWN, &filled] {
        let joined = format!("towline={own},{}", others.join(","));
        let length = joined.trim_end_matches(',').len();
        let fits = (1..=256).contains(&own.len()) && others.len() < 32 && length <= 512;
        // Alone it always fits into the 512 characters.
        assert_eq!(context.tracestate.fits(own), fits, "{joined}");
        let sent = context.tracestate.with_own(Some(own));
        let parent = Traceparent::new(context.trace_id, context.parent_id, context.flags);
        let states = sent.as_deref().map(str::as_bytes);
        let again = read([parent.as_bytes().as_slice()], states).expect("written by us");
        assert_eq!(again.context, *context);
        assert_eq!(again.own, fits.then_some(own));
        assert_eq!(again.tracestate_dropped, None);
    }
    let plain = context.tracestate.with_own(None);
    assert_eq!(plain.as_deref().unwrap_or_default(), others.join(","));
    let kept = TraceFlags::from_bits_truncate(context.flags.bits());
    assert_eq!(kept, context.flags);
}
