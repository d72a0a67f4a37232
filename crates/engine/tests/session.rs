//! What ends a statement before its last row, and what is known of one without running it.

mod lake;

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use heaplake_engine::{
    CancelToken, DataType, Error, Limit, Parameters, RecordBatch, Result, Session, SessionOptions, Value,
};
use heaplake_model::schema::DESCRIPTION;
use lake::{cell, imported, lake, rows, session};

/// It goes through more numbers than a day has time for, and gives nothing before that.
const LONG: &str = "select count(*) from generate_series(1, 1000000000000000) where value % 7 = 8";

/// How many rows come, and the error after them.
async fn rows_and_error(session: &Session, sql: &str) -> (usize, Option<Error>) {
    let answer = match session.run(sql).await {
        Ok(answer) => answer,
        Err(error) => return (0, Some(error)),
    };
    let all: Vec<Result<RecordBatch>> = answer.stream.collect().await;
    let n_rows = all.iter().flatten().map(RecordBatch::num_rows).sum();
    let mut errors = all.into_iter().filter_map(Result::err);
    let error = errors.next();
    assert!(errors.next().is_none(), "an error is the last");
    (n_rows, error)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_stops_statements() {
    let folder = lake(&["one"]);
    let token = CancelToken::new();
    let session = session(&folder, SessionOptions { cancel: Some(token.clone()), ..Default::default() });
    assert!(matches!(rows_and_error(&session, "select * from obj").await, (2000, None)));

    // Between two batches.
    let mut rows = session.run("select * from generate_series(1, 1000000000000000)").await.unwrap().stream;
    assert!(rows.next().await.unwrap().is_ok());
    // While there are none yet.
    let other = token.clone();
    let waker = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        other.cancel();
    });
    assert!(matches!(rows_and_error(&session, LONG).await, (0, Some(Error::Cancelled))));
    waker.join().unwrap();
    assert!(matches!(rows.next().await, Some(Err(Error::Cancelled))));
    assert!(rows.next().await.is_none());
    assert!(rows.next().await.is_none());
    // And from now on.
    assert!(matches!(session.run("select 1").await, Err(Error::Cancelled)));
    assert_eq!(Error::Cancelled.to_string(), "stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_statements() {
    let folder = lake(&["one"]);
    let deadline = Instant::now() + Duration::from_secs(3600);
    let in_time = session(&folder, SessionOptions { deadline: Some(deadline), ..Default::default() });
    assert!(matches!(rows_and_error(&in_time, "select * from obj").await, (2000, None)));

    let deadline = Instant::now() + Duration::from_millis(100);
    let late = session(&folder, SessionOptions { deadline: Some(deadline), ..Default::default() });
    let (_, error) = rows_and_error(&late, LONG).await;
    assert!(matches!(error, Some(Error::Limit(Limit::Time))), "{error:?}");
    let text = error.unwrap().to_string();
    assert_eq!(text, "the query was stopped at its deadline, before its last row");
}

#[tokio::test]
async fn rows_are_limited() {
    let folder = lake(&["one"]);
    for (max_rows, n_rows) in [(2000, 2000), (1999, 1999), (1, 1), (0, 0)] {
        let limited = session(&folder, SessionOptions { max_rows: Some(max_rows), ..Default::default() });
        let (n, error) = rows_and_error(&limited, "select * from obj").await;
        assert_eq!(n, n_rows);
        match (max_rows, error) {
            (2000, None) => {}
            (_, Some(error)) => {
                assert!(matches!(error, Error::Limit(Limit::Rows { max }) if max == max_rows), "{error:?}");
                let text = format!("the query gives more rows than its limit of {max_rows}");
                assert_eq!(error.to_string(), text);
            }
            (_, None) => panic!("{max_rows} rows were no limit"),
        }
        assert!(matches!(rows_and_error(&limited, "select * from obj limit 0").await, (0, None)));
    }
}

#[tokio::test]
async fn bytes_of_rows_are_limited() {
    let folder = lake(&["one"]);
    // 8 bytes each, and 16 for a view of a text and at least one of its own.
    for (sql, max_bytes, fits) in [
        ("select address from obj", 20_000, true),
        ("select address from obj", 15_000, false),
        ("select type from obj", 40_000, true),
        ("select type from obj", 30_000, false),
    ] {
        let limited = session(&folder, SessionOptions { max_bytes: Some(max_bytes), ..Default::default() });
        let (n_rows, error) = rows_and_error(&limited, sql).await;
        match error {
            None => assert!(fits && n_rows == 2000, "{sql}: {n_rows}"),
            Some(error) => {
                let is_limit = matches!(error, Error::Limit(Limit::Bytes { max }) if max == max_bytes);
                assert!(is_limit && !fits && n_rows < 2000, "{sql}: {error:?}");
                let text = format!("the rows of the query are larger than its limit of {max_bytes} bytes");
                assert_eq!(error.to_string(), text);
            }
        }
    }
}

#[tokio::test]
async fn a_statement_is_described_without_running() {
    let folder = lake(&["one", "two"]);
    let session = session(&folder, SessionOptions::default());
    fs::remove_dir_all(folder.path().join("obj")).unwrap();
    let none = Parameters::new();
    let names = |sql: &'static str| {
        let (session, none) = (&session, &none);
        async move {
            let signature =
                session.describe(sql, none).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
            let parameters: Vec<String> =
                signature.parameters.iter().map(|parameter| parameter.name.clone()).collect();
            let columns = signature.columns.map(|schema| {
                let names = schema.fields().iter().map(|field| field.name().clone());
                names.collect::<Vec<_>>().join(" ")
            });
            (parameters.join(" "), columns)
        }
    };
    for (sql, parameters, columns) in [
        ("select type, count(*) as n from obj group by type", "", Some("type n")),
        (
            "select address from obj where size > $least and type = $type and len < $least limit $limit",
            "least type limit",
            Some("address"),
        ),
        (
            "select * from parents('size = 1', 2)",
            "",
            Some("hops address type size root_kind distance idom idom_type retained retained_count"),
        ),
        ("select * from path('TYPES root ..> a')", "", Some("hop type objects size")),
        ("select * from trend($dumps) where type = $type", "dumps type", None),
        ("explain select 1", "", Some("plan_type plan")),
    ] {
        assert_eq!(names(sql).await, (parameters.to_owned(), columns.map(str::to_owned)), "{sql}");
    }

    let types = "select 1 from obj where size > $least and type = $type";
    let signature = session.describe(types, &none).await.unwrap();
    let types: Vec<Option<DataType>> =
        signature.parameters.into_iter().map(|parameter| parameter.data_type).collect();
    assert!(
        matches!(types.as_slice(), [Some(DataType::Int64), Some(DataType::Utf8View | DataType::Utf8)]),
        "{types:?}"
    );

    let dumps = Parameters::from([("dumps".to_owned(), Value::Text("*".to_owned()))]);
    let signature = session.describe("select * from trend($dumps)", &dumps).await.unwrap();
    let columns = signature.columns.unwrap();
    assert_eq!(signature.parameters.len(), 1);
    assert_eq!(columns.field(1).name(), "type");
    assert!(columns.field(1).metadata().contains_key(DESCRIPTION));

    for (sql, is_expected) in [
        ("drop table obj", (|error| matches!(error, Error::Refused { .. })) as fn(&Error) -> bool),
        ("select tpye from obj", |error| matches!(error, Error::NotFound(_))),
        ("select 1; select 2", |error| matches!(error, Error::Query { .. })),
    ] {
        let error = session.describe(sql, &none).await.expect_err(sql);
        assert!(is_expected(&error), "{sql}: {error:?}");
    }
}

/// `root -> a; a -> b c; b -> d; c -> d`, sizes are powers of two.
fn diamond() -> tempfile::TempDir {
    imported(&[
        (16, "root", 1, &[32]),
        (32, "a", 2, &[48, 64]),
        (48, "b", 4, &[80]),
        (64, "c", 8, &[80]),
        (80, "d", 16, &[]),
    ])
}

#[tokio::test]
async fn a_cut_that_was_looked_at_is_saved_without_asking_again() {
    let folder = diamond();
    let cuts = ["type = 'b'".to_owned(), "parent_type = 'a' and child_type = 'c'".to_owned()];
    let name = "cut".parse().unwrap();
    let asked = session(&folder, SessionOptions::default());
    let sets = cuts.each_ref().map(|cut| format!("'{}'", cut.replace('\'', "''"))).join(", ");
    let sql = format!("select sum(size) from whatif_cut({sets})");
    assert_eq!(cell(&asked, &sql).await, "28");
    // Now nobody can find out what the cuts are of.
    fs::remove_dir_all(folder.path().join("obj")).unwrap();
    let fresh = session(&folder, SessionOptions::default());
    assert!(fresh.save_layer(&name, &cuts).await.is_err());
    let layer = asked.save_layer(&name, &cuts).await.unwrap();
    assert_eq!((layer.objects, layer.bytes), (3, 28));
}

#[tokio::test]
async fn the_same_ends_are_searched_for_once() {
    let folder = diamond();
    let session = session(&folder, SessionOptions::default());
    let searches = |pattern: &'static str| {
        let session = &session;
        async move {
            let sql = format!("explain analyze select count(*) from path_nodes('{pattern}')");
            let plan = rows(session, &sql).await;
            let (_, rest) = plan.split_once("objects_in_states_visited=").expect("a metric");
            rest.split([',', ']']).next().unwrap().trim() != "0"
        }
    };
    assert!(searches("REACH a ..> *").await);
    assert!(!searches("REACH a ..> *").await);
    let listed = rows(&session, "select path_id, hop, address from path('REACH a ..> *')").await;
    let expected = "\
        +---------+-----+---------+\n\
        | path_id | hop | address |\n\
        +---------+-----+---------+\n\
        | 0       | 1   | 48      |\n\
        | 1       | 1   | 64      |\n\
        | 2       | 2   | 80      |\n\
        +---------+-----+---------+";
    assert_eq!(listed, expected);
    // Other ends, what a query in the pattern decides, and what was found in part are searched for.
    assert!(searches("REACH root ..> *").await);
    assert!(searches("REACH a ..> (x: * WHERE size in (select size from obj))").await);
    assert!(searches("REACH a ..> (x: * WHERE size in (select size from obj))").await);
    assert_eq!(cell(&session, "select address from path_nodes('REACH a|root ..> *') limit 1").await, "32");
    assert!(searches("REACH a|root ..> *").await);
}
