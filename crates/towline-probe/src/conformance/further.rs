//! What only the wire shows: fields of one name, odd blanks, mixed case, several calls.

use std::collections::HashSet;

use super::answers::Answering;
use super::case::Case;
use super::check::{Parent, continued, restarted};
use super::rule::Rule;
use towline_core::{SpanId, TraceId};

/// A good caller of its own.
fn caller() -> (Parent, String) {
    let parent = Parent {
        trace_id: TraceId::random(),
        parent_id: SpanId::random(),
        flags: 3,
    };
    let header = format!("00-{}-{}-03", parent.trace_id, parent.parent_id);
    (parent, header)
}

fn fields(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    list.iter().map(owned).collect()
}

pub(super) fn cases() -> Vec<Case> {
    let mut all = vec![
        parents(),
        after_answers(),
        one_field(),
        lists(),
        lists_in_mixed_case(),
    ];
    all.extend(duplicates());
    all.extend(blanks());
    all
}

fn duplicates() -> impl Iterator<Item = Case> {
    type Second = fn(&str) -> (&'static str, String);
    let seconds: [(&'static str, Second); 5] = [
        ("the same twice, names in two cases", |first| {
            ("Traceparent", first.to_owned())
        }),
        ("another behind it", |_| ("traceparent", caller().1)),
        ("an empty one behind it", |_| ("traceparent", String::new())),
        ("a broken one behind it", |_| {
            ("TRACEPARENT", "00-hello".to_owned())
        }),
        ("of a later version behind it", |first| {
            ("traceparent", first.replacen("00", "cc", 1))
        }),
    ];
    seconds.into_iter().map(|(name, second)| {
        let (_, first) = caller();
        let (key, value) = second(&first);
        let came = format!("{first} {value}");
        let list = fields(&[
            ("traceparent", &first),
            ("accept", "*/*"),
            (key, &value),
            ("tracestate", "foo=1"),
        ]);
        Case::new(Rule::Duplicate, name, list, move |exchange| {
            restarted(exchange.call(0)?, &came)
        })
    })
}

fn blanks() -> impl Iterator<Item = Case> {
    let around = [
        ("tabs", "\t", "\t"),
        ("many blanks", "      ", "   \t  "),
        ("behind it", "", "  "),
    ];
    around.into_iter().map(|(name, before, behind)| {
        let (parent, header) = caller();
        let value = format!("{before}{header}{behind}");
        let list = fields(&[("TraceParent", &value), ("tracestate", "\t foo=1 \t")]);
        Case::new(Rule::Blanks, name, list, move |exchange| {
            let call = exchange.call(0)?;
            continued(call, parent)?;
            match call.members().1.join(",").as_str() {
                "foo=1" => Ok(()),
                other => Err(format!("tracestate is `{other}` and not `foo=1`")),
            }
        })
    })
}

fn lists() -> Case {
    let (parent, header) = caller();
    let list = fields(&[
        ("tracestate", "a=1"),
        ("accept", "*/*"),
        ("tracestate", " b=2 , c=3 "),
        ("traceparent", &header),
        ("tracestate", ",d=4,"),
    ]);
    Case::new(
        Rule::TracestateJoined,
        "three fields around traceparent",
        list,
        move |exchange| is_list(exchange.call(0)?, parent, "a=1,b=2,c=3,d=4"),
    )
}

fn lists_in_mixed_case() -> Case {
    let (parent, header) = caller();
    let list = fields(&[
        ("traceparent", &header),
        ("TraceState", "a=1"),
        ("TRACESTATE", "b=2"),
    ]);
    Case::new(
        Rule::TracestateJoined,
        "names in two cases",
        list,
        move |exchange| is_list(exchange.call(0)?, parent, "a=1,b=2"),
    )
}

fn is_list(call: &super::exchange::Head, from: Parent, expected: &str) -> Result<(), String> {
    continued(call, from)?;
    let sent = call.members().1.join(",");
    if sent == expected {
        return Ok(());
    }
    Err(format!("tracestate is `{sent}` and not `{expected}`"))
}

fn parents() -> Case {
    let (parent, header) = caller();
    let list = fields(&[("traceparent", &header)]);
    let case = Case::new(Rule::ParentPerCall, "five calls", list, move |exchange| {
        distinct(exchange, parent)
    });
    case.answered(&[Answering::Ended; 5])
}

fn after_answers() -> Case {
    let (parent, header) = caller();
    let list = fields(&[("traceparent", &header)]);
    let case = Case::new(
        Rule::ParentPerCall,
        "answers of every kind",
        list,
        move |exchange| distinct(exchange, parent),
    );
    case.answered(&[
        Answering::Failed(500),
        Answering::Failed(404),
        Answering::Nothing,
        Answering::Malformed,
        Answering::Ended,
    ])
}

fn distinct(exchange: &super::exchange::Exchange, from: Parent) -> Result<(), String> {
    let mut seen = HashSet::new();
    for call in &exchange.calls {
        continued(call, from)?;
        if !seen.insert(call.parent()?.parent_id) {
            return Err("two calls have one parent id".to_owned());
        }
    }
    Ok(())
}

fn one_field() -> Case {
    let (_, header) = caller();
    let list = fields(&[
        ("traceparent", &header),
        ("tracestate", "foo=1"),
        ("tracestate", "bar=2"),
    ]);
    let case = Case::new(Rule::OneField, "two calls", list, |exchange| {
        for call in &exchange.calls {
            for name in ["traceparent", "tracestate", "raceway-clock"] {
                let count = call.all(name).len();
                if count > 1 {
                    return Err(format!("{count} fields {name} were sent"));
                }
            }
        }
        Ok(())
    });
    case.answered(&[Answering::Ended; 2])
}
