//! A list of hosts of any text; behind each NUL, a host to look up in it.

use towline_core::HostList;

/// Checks one input.
pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split('\0');
    let entries = parts.next().unwrap_or_default();
    let (list, bad) = HostList::parse(entries);
    let warned: Vec<&str> = bad.iter().map(|error| error.entry()).collect();
    let mut singles = Vec::new();
    let mut expected = Vec::new();
    for entry in entries.split(',').map(str::trim) {
        let (single, bad) = HostList::parse(entry);
        match &bad[..] {
            [] if entry.is_empty() => assert_eq!(single, HostList::default()),
            [] => singles.push(single),
            [error] => {
                assert_eq!((error.entry(), &single), (entry, &HostList::default()));
                expected.push(entry);
            }
            _ => panic!("one entry, {} warnings: {entry:?}", bad.len()),
        }
    }
    assert_eq!(warned, expected, "{entries:?}");
    prints_as_it_is_written(&list, singles.is_empty());
    for host in parts {
        looks_up(&list, &singles, host);
    }
}

fn prints_as_it_is_written(list: &HostList, is_empty: bool) {
    assert_eq!(*list == HostList::default(), is_empty);
    if !is_empty {
        let (again, bad) = HostList::parse(&list.to_string());
        assert_eq!((&again, &bad[..]), (list, &[][..]));
    }
}

/// A host is on the list if it is on that of one entry, however it is written.
fn looks_up(list: &HostList, singles: &[HostList], host: &str) {
    let allowed = list.allows(host);
    let one_allows = singles.iter().any(|single| single.allows(host));
    assert_eq!(allowed, one_allows, "{host:?}");
    assert!(HostList::any().allows(host) && !HostList::default().allows(host));
    let mut with_local = HostList::local();
    assert!(with_local.add(&list.to_string()).is_empty() || *list == HostList::default());
    let is_local = HostList::local().allows(host);
    if *list != HostList::default() {
        assert_eq!(with_local.allows(host), allowed || is_local, "{host:?}");
    }
    let plain = !host.is_empty() && !host.contains([':', '[', ']', '%']) && !host.ends_with('.');
    if plain {
        let forms = [
            host.to_ascii_uppercase(),
            host.to_ascii_lowercase(),
            format!("{host}."),
            format!("{host}:6001"),
            format!("{host}.:6001"),
        ];
        for form in forms {
            assert_eq!(list.allows(&form), allowed, "{form:?}");
            assert_eq!(HostList::local().allows(&form), is_local, "{form:?}");
        }
    }
    if is_local {
        assert!(host.is_ascii() || host.contains('%'), "{host:?}");
        // Nothing that splits an URL's authority, path or query can be hidden in a local name.
        let zone = host.find('%').unwrap_or(host.len());
        assert!(
            !host[..zone].contains(['/', '\\', '?', '#', '@', ' ', '\t', '\r', '\n']),
            "{host:?}"
        );
    }
}
