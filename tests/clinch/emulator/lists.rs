//! Lists that cannot be trusted: a window, totals that are off, another order, and an account that
//! changes while its list is read.

use clinch_operator::sandbox::Sandbox;
use serde_json::{Value, json};

use super::support::{Caller, FIRST, options, start, with};

/// An emulator with this many people, from `p0@example.com`.
async fn populated(contract: &str, people: usize) -> (Sandbox, Caller) {
    let people: Vec<Value> =
        (0..people).map(|at| json!({"email": format!("p{at}@example.com")})).collect();
    let seed = json!({"first": {"people": people}}).to_string();
    let sandbox = Sandbox::start(options(contract, "", &seed)).await.unwrap();
    let caller = Caller::new(&sandbox.base_url(), FIRST);
    (sandbox, caller)
}

/// The start of each address on a page, and the total that it claims.
async fn page(caller: &Caller, number: usize, size: usize) -> (Vec<String>, Value) {
    let reply = caller.get(&format!("/v2/candidates?page={number}&per_page={size}")).await;
    let email = |person: &Value| person["attributes"]["email"].as_str().unwrap().to_owned();
    let emails: Vec<String> = reply.at("/data").as_array().unwrap().iter().map(email).collect();
    let people = emails.iter().map(|email| email.split('@').next().unwrap().to_owned()).collect();
    (people, reply.at("/meta/total_count"))
}

async fn names(caller: &Caller, number: usize, size: usize) -> Vec<String> {
    page(caller, number, size).await.0
}

#[tokio::test]
async fn behind_the_window_pages_are_empty_and_the_total_is_still_true() {
    let (_sandbox, caller) = populated("paging: {window: 3}", 5).await;
    assert_eq!(page(&caller, 1, 2).await, (vec!["p0".to_owned(), "p1".to_owned()], json!(5)));
    assert_eq!(page(&caller, 2, 2).await, (vec!["p2".to_owned()], json!(5)));
    assert_eq!(page(&caller, 3, 2).await, (vec![], json!(5)));
    let last = caller.get("/v2/candidates?page=2&per_page=2").await;
    assert_eq!(last.at("/links/next"), Value::Null, "links lead to what can be had");
    // The filter finds those behind the window.
    let found = caller.get("/v2/candidates?filter[email]=p4@example.com").await;
    assert_eq!((found.count(), found.at("/meta/total_count")), (1, json!(1)));
}

#[tokio::test]
async fn a_window_with_a_capped_total_looks_like_a_search_index() {
    let (_sandbox, caller) = populated("paging: {window: 3, totalCap: 3}", 5).await;
    assert_eq!(page(&caller, 2, 2).await, (vec!["p2".to_owned()], json!(3)));
    assert_eq!(page(&caller, 3, 2).await, (vec![], json!(3)));
    let (_sandbox, caller) = populated("paging: {window: 3, totalCap: 3}", 2).await;
    assert_eq!(page(&caller, 1, 1).await, (vec!["p0".to_owned()], json!(2)));
}

#[tokio::test]
async fn a_wrong_total_is_off_by_what_it_says_and_never_negative() {
    for (wrong, people, claimed) in [(2, 3, 5), (-2, 3, 1), (-7, 3, 0)] {
        let contract = format!("paging: {{totalWrong: {wrong}}}");
        let (_sandbox, caller) = populated(&contract, people).await;
        let (found, total) = page(&caller, 1, 10).await;
        assert_eq!((found.len(), total), (people, json!(claimed)), "{wrong}");
        let found = caller.get("/v2/candidates?filter[email]=p0@example.com").await;
        assert_eq!(found.at("/meta/total_count"), 1, "other lists are not concerned");
    }
}

#[tokio::test]
async fn the_list_by_updates_begins_with_who_was_updated_last() {
    let seed = json!({"first": {"people": [
        {"email": "p0@example.com", "updated_at": "2024-03-01T00:00:00Z"},
        {"email": "p1@example.com", "updated_at": "2024-01-01T00:00:00Z"},
        {"email": "p2@example.com", "updated_at": "2024-02-01T00:00:00Z"},
    ]}});
    let options = options("paging: {order: updated}", "", &seed.to_string());
    let sandbox = Sandbox::start(options).await.unwrap();
    let caller = Caller::new(&sandbox.base_url(), FIRST);
    assert_eq!(names(&caller, 1, 10).await, ["p0", "p2", "p1"]);
    let p3 = caller.person("p3@example.com").await.id();
    assert_eq!(names(&caller, 1, 10).await, ["p3", "p0", "p2", "p1"]);
    let p1 = caller.get("/v2/candidates?filter[email]=p1@example.com").await.at("/data/0/id");
    for id in [p1.as_str().unwrap(), &p3, p1.as_str().unwrap()] {
        let change = with(&json!({"last_name": "Doe"}));
        assert_eq!(caller.patch(&format!("/v2/candidates/{id}"), &change).await.status, 200);
    }
    assert_eq!(names(&caller, 1, 3).await, ["p1", "p3", "p0"]);
    assert_eq!(names(&caller, 2, 3).await, ["p2"]);
}

#[tokio::test]
async fn data_that_was_kept_is_listed_by_updates_again() {
    let folder = tempfile::tempdir().unwrap();
    let seed = json!({"first": {"people": [
        {"email": "p0@example.com", "updated_at": "2024-03-01T00:00:00Z"},
        {"email": "p1@example.com", "updated_at": "2024-01-01T00:00:00Z"},
    ]}});
    for life in 0..2 {
        let seed = if life == 0 { seed.to_string() } else { String::new() };
        let mut options = options("paging: {order: updated}", "", &seed);
        options.data = Some(folder.path().join("data.json"));
        let sandbox = Sandbox::start(options).await.unwrap();
        let caller = Caller::new(&sandbox.base_url(), FIRST);
        assert_eq!(names(&caller, 1, 10).await, ["p0", "p1"], "life {life}");
        sandbox.stop().await.unwrap();
    }
}

#[tokio::test]
async fn an_update_during_the_search_lag_does_not_show_anybody_early() {
    let (_sandbox, caller) = start("{searchLagMs: 600000, paging: {order: updated}}").await;
    let path = format!("/v2/candidates/{}", caller.person("a@example.com").await.id());
    assert_eq!(caller.patch(&path, &with(&json!({"last_name": "Doe"}))).await.status, 200);
    assert_eq!(page(&caller, 1, 10).await, (vec![], json!(0)));
}

#[tokio::test]
async fn rows_move_between_pages_when_people_are_deleted_meanwhile() {
    let (sandbox, caller) = populated("shift: {delete: 1, times: 1}", 6).await;
    // A probe reads no list.
    assert_eq!(names(&caller, 1, 1).await, ["p0"]);
    assert_eq!(page(&caller, 1, 2).await, (vec!["p0".to_owned(), "p1".to_owned()], json!(6)));
    // p2 moved to the page that was read already.
    assert_eq!(page(&caller, 2, 2).await, (vec!["p3".to_owned(), "p4".to_owned()], json!(5)));
    assert_eq!(names(&caller, 1, 10).await, ["p1", "p2", "p3", "p4", "p5"], "it happens once");
    assert_eq!(sandbox.people("first").len(), 5);
}

#[tokio::test]
async fn people_are_added_by_somebody_else_while_the_list_is_read() {
    let (sandbox, caller) = populated("shift: {insert: 2, times: 2}", 2).await;
    assert_eq!(names(&caller, 1, 2).await, ["p0", "p1"]);
    assert_eq!(names(&caller, 2, 2).await, ["inserted-1", "inserted-2"]);
    assert_eq!(names(&caller, 3, 2).await, ["inserted-3", "inserted-4"]);
    assert_eq!(names(&caller, 4, 2).await, Vec::<String>::new());
    let inserted = sandbox.people("first").pop().unwrap();
    assert_eq!(inserted["attributes"]["email"], "inserted-4@elsewhere.example");
    assert_eq!(inserted["attributes"]["source"], "elsewhere");
}

#[tokio::test]
async fn who_is_updated_meanwhile_moves_to_the_front_and_shifts_everybody() {
    let contract = "{paging: {order: updated}, shift: {touch: 1}}";
    let (_sandbox, caller) = populated(contract, 4).await;
    assert_eq!(names(&caller, 1, 2).await, ["p3", "p2"]);
    // p0 moved to the front: p2 is seen again.
    assert_eq!(names(&caller, 2, 2).await, ["p2", "p1"]);
    assert_eq!(names(&caller, 1, 10).await, ["p1", "p0", "p3", "p2"]);
}

#[tokio::test]
async fn deleted_people_leave_no_gap_in_any_order() {
    for order in ["created", "updated"] {
        let contract = format!("{{paging: {{order: {order}}}, shift: {{delete: 3, times: 2}}}}");
        let (sandbox, caller) = populated(&contract, 9).await;
        let mut expected: Vec<String> = (0..9).map(|at| format!("p{at}")).collect();
        if order == "updated" {
            expected.reverse();
        }
        names(&caller, 1, 2).await;
        names(&caller, 1, 2).await;
        assert_eq!(page(&caller, 1, 10).await, (expected.split_off(6), json!(3)), "{order}");
        let gone = format!("/v2/candidates?filter[email]={}@example.com", expected[0]);
        assert_eq!(caller.get(&gone).await.count(), 0, "{order}");
        assert_eq!(caller.person(&format!("{}@example.com", expected[0])).await.status, 201);
        assert_eq!(sandbox.people("first").len(), 4);
    }
}

#[tokio::test]
async fn a_list_in_random_order_is_complete_and_new_people_appear_anywhere() {
    let (sandbox, caller) = populated("paging: {order: random}", 30).await;
    let first = names(&caller, 1, 100).await;
    let mut sorted = first.clone();
    sorted.sort_by_key(|name| name[1..].parse::<u32>().unwrap());
    assert_ne!(first, sorted);
    assert_eq!(sorted, (0..30).map(|at| format!("p{at}")).collect::<Vec<_>>());
    for at in 30..40 {
        caller.person(&format!("p{at}@example.com")).await;
    }
    sandbox.delete("first", "p3@example.com").unwrap();
    let second = names(&caller, 1, 100).await;
    assert_eq!(second.len(), 39);
    let kept: Vec<&String> =
        second.iter().filter(|name| name[1..].parse::<u32>().unwrap() < 30).collect();
    assert!(kept.iter().copied().eq(first.iter().filter(|name| *name != "p3")), "others stay");
    assert!(!second[29..].iter().all(|name| name[1..].parse::<u32>().unwrap() >= 30));
}

#[tokio::test]
async fn changes_after_one_page_are_made_after_that_page_only() {
    let (_sandbox, caller) = populated("shift: {delete: 1, afterPage: 2}", 6).await;
    assert_eq!(names(&caller, 1, 2).await, ["p0", "p1"]);
    assert_eq!(names(&caller, 1, 2).await, ["p0", "p1"]);
    assert_eq!(names(&caller, 2, 2).await, ["p2", "p3"]);
    assert_eq!(names(&caller, 1, 2).await, ["p1", "p2"]);
}

/// Names of the people changed since a time.
async fn since(caller: &Caller, value: &str) -> Vec<String> {
    let path = format!("/v2/candidates?updated_since={value}&per_page=2");
    let mut names = Vec::new();
    for page in 1.. {
        let reply = caller.get(&format!("{path}&page={page}")).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
        let people = reply.at("/data").as_array().cloned().unwrap();
        let name = |person: &Value| person["attributes"]["email"].as_str().map(str::to_owned);
        names.extend(people.iter().filter_map(name));
        if reply.at("/links/next").is_null() {
            assert_eq!(reply.at("/meta/total_count"), names.len());
            break;
        }
    }
    names
}

#[tokio::test]
async fn people_changed_since_a_time_are_listed_as_the_contract_says() {
    let seed = json!({"first": {"people": (0..5).map(|day| json!({
        "email": format!("p{day}@x.org"), "updated_at": format!("2024-03-0{}T12:00:00Z", day + 1),
    })).collect::<Vec<_>>()}})
    .to_string();
    let all = ["p0@x.org", "p1@x.org", "p2@x.org", "p3@x.org", "p4@x.org"];
    for (rest, value, expected) in [
        ("", "2024-03-03T12:00:00Z", &all[2..]),
        ("", "2024-03-03T14:00:00.5%2B02:00", &all[2..]),
        ("", "2024-03-03T12:00:01Z", &all[3..]),
        ("", "1709553600", &all[3..]),
        ("", "2999-01-01T00:00:00Z", &[]),
        (", resolution: day", "2024-03-03T23:00:00Z", &all[2..]),
        (", filtering: ignored", "2999-01-01T00:00:00Z", &all[..]),
    ] {
        let contract = format!("updatedSince: {{parameter: updated_since{rest}}}");
        let sandbox = Sandbox::start(options(&contract, "", &seed)).await.unwrap();
        let caller = Caller::new(&sandbox.base_url(), FIRST);
        assert_eq!(since(&caller, value).await, expected, "{contract} {value}");
        let document = caller.unsigned("GET", "/v2", "").await;
        assert!(document.text.contains("updated_since"));
        if rest.is_empty() {
            let wrong = caller.get("/v2/candidates?updated_since=yesterday").await;
            assert_eq!(wrong.status, 400);
        }
    }
    let sandbox = Sandbox::start(options("", "", &seed)).await.unwrap();
    let caller = Caller::new(&sandbox.base_url(), FIRST);
    assert_eq!(since(&caller, "2999-01-01T00:00:00Z").await, all, "there is no such parameter");
    assert!(!caller.unsigned("GET", "/v2", "").await.text.contains("updated_since"));
}
