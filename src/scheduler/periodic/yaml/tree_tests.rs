//! The values of YAML texts, and what is refused.

#![expect(clippy::unwrap_used, reason = "a failed expectation fails the test")]

use proptest::prelude::*;

use super::*;
use crate::task::{Encode, Json};

/// The text as JSON.
fn json(text: &str) -> String {
    let node = YamlNode::parse(text).unwrap().unwrap();
    String::from_utf8(Json::encode(&node).unwrap().to_vec()).unwrap()
}

/// `line:column: text` of the error.
fn error(text: &str) -> String {
    let fault = YamlNode::parse(text).expect_err(text);
    format!("{}: {}", fault.at.unwrap(), fault.text)
}

#[test]
fn values_have_the_types_of_yaml_1_2() {
    for (yaml, expected) in [
        ("~", "null"),
        ("[null, Null, NULL, ~, ]", "[null,null,null,null]"),
        (
            "[true, True, FALSE, yes, off, nUll]",
            r#"[true,true,false,"yes","off","nUll"]"#,
        ),
        ("[0, -1, +2, 0x1F, 0o17, 0]", "[0,-1,2,31,15,0]"),
        (
            "[18446744073709551615, -9223372036854775808]",
            "[18446744073709551615,-9223372036854775808]",
        ),
        (
            "[1.0, -0.5, .5, 1., 1e3, 1E-7, 1e21]",
            "[1,-0.5,0.5,1,1000,1e-7,1e+21]",
        ),
        (
            "[1_000, 0b1, 0x, 0xg, 1e, e1, ., +, 1.2.3, 10:30, 2030-01-31, inf, nan, 1-2, --1]",
            r#"["1_000","0b1","0x","0xg","1e","e1",".","+","1.2.3","10:30","2030-01-31","inf","nan","1-2","--1"]"#,
        ),
        (r#"['42', "true", '', "~"]"#, r#"["42","true","","~"]"#),
        ("{b: 1, a: {}, c: []}", r#"{"a":{},"b":1,"c":[]}"#),
        (
            "a: |\n  two\n  lines\nb: >\n  fold\n  ed\n",
            r#"{"a":"two\nlines\n","b":"fold ed\n"}"#,
        ),
        ("a: <b> & 'c'\n", r#"{"a":"\u003cb\u003e \u0026 'c'"}"#),
        ("\u{feff}a: 1\n", r#"{"a":1}"#),
        ("--- # the only document\na: 1\n...\n", r#"{"a":1}"#),
        ("{\"a\": 1, 'b': 2}", r#"{"a":1,"b":2}"#),
    ] {
        assert_eq!(json(yaml), expected, "{yaml}");
    }
}

#[test]
fn a_text_without_a_document_is_none() {
    for text in ["", "\n\n", "# only a comment\n"] {
        assert_eq!(YamlNode::parse(text), Ok(None), "{text:?}");
    }
}

#[test]
fn an_error_names_the_place_and_says_what_to_do() {
    for (yaml, place, what) in [
        (
            "a:\n  - b: 1\n    b: 2\n",
            "3:5",
            "the key \"b\" is here twice, first in line 2",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "2:1",
            "a second document begins here, expected only one",
        ),
        (
            "a: &x 1\n",
            "1:7",
            "an anchor (&name) is not supported, write the value out",
        ),
        (
            "a: &x {b: 1}\n",
            "1:7",
            "an anchor (&name) is not supported, write the value out",
        ),
        ("a: *x\n", "1:4", "quotes, as \"* * * * *\""),
        ("- &x\n", "1:5", "an anchor (&name) is not supported"),
        (
            "a: !!str 1\n",
            "1:10",
            "the tag tag:yaml.org,2002:str is not supported",
        ),
        ("a: !own [1]\n", "1:9", "the tag !own is not supported"),
        (
            "<<: {a: 1}\n",
            "1:1",
            "the merge key << is not supported, write the keys out",
        ),
        (
            "1: a\n",
            "1:1",
            "expected a text as the key, found a number; write it in quotes",
        ),
        (
            "? [a]\n: b\n",
            "1:3",
            "expected a text as the key, found a list; write it in quotes",
        ),
        (
            "~: a\n",
            "1:1",
            "expected a text as the key, found nothing; write it in quotes",
        ),
        (
            "a: 012\n",
            "1:4",
            "a number with a leading zero is octal to some",
        ),
        (
            "a: -00\n",
            "1:4",
            "a number with a leading zero is octal to some",
        ),
        ("a: 18446744073709551616\n", "1:4", "more than 64 bits"),
        ("a: -9223372036854775809\n", "1:4", "more than 64 bits"),
        ("a: 1e400\n", "1:4", "too large for a 64-bit float"),
        ("a: .inf\n", "1:4", "JSON has neither infinity nor NaN"),
        ("a: -.INF\n", "1:4", "JSON has neither infinity nor NaN"),
        ("a: .nan\n", "1:4", "JSON has neither infinity nor NaN"),
        ("a: * * * * *\n", "1:4", "quotes, as \"* * * * *\""),
        ("a: */5 * * * *\n", "1:4", "quotes, as \"* * * * *\""),
        ("a: @every 30s\n", "1:4", "quotes, as \"@every 30s\""),
        ("a:\n\t- b\n", "2:2", "indent with spaces"),
        ("a:\n  - b\n c: 1\n", "3:2", "check the indentation"),
        (
            "a: b: c\n",
            "1:5",
            "write a text that contains \": \" in quotes",
        ),
        ("a: [1, 2\n", "1:4", "unclosed bracket '['"),
        ("a: \"x\n", "1:4", "unclosed quote"),
    ] {
        let error = error(yaml);
        assert!(
            error.starts_with(&format!("{place}: ")) && error.contains(what),
            "{yaml:?}: {error}"
        );
    }
}

#[test]
fn deep_nesting_and_many_keys_are_no_problem() {
    assert!(error(&"[".repeat(100_000)).contains("limit"));
    let keys: String = (0..20_000).map(|n| format!("k{n}: {n}\n")).collect();
    let node = YamlNode::parse(&keys).unwrap().unwrap();
    assert!(matches!(node.value, YamlValue::Map(pairs) if pairs.len() == 20_000));
}

proptest! {
    #[test]
    fn no_text_panics(text in "[-?:,{}\\[\\]&*!|>'\"%@`#~a-c0-9.\\n\\t ]{0,40}|.{0,40}") {
        let _ = YamlNode::parse(&text);
    }

    #[test]
    fn every_number_reads_as_rust_does(number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
        let text = format!("{number:e}");
        let node = YamlNode::parse(&text).unwrap().unwrap();
        let read = match node.value {
            YamlValue::Float(read) => read,
            YamlValue::Int(read) => read as f64,
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(read, number);
    }
}
