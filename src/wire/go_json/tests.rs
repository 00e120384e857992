use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::json;

use super::to_json;

fn written(value: &(impl Serialize + ?Sized)) -> String {
    String::from_utf8(to_json(value).expect("it has a form")).expect("UTF-8")
}

fn fault(value: &impl Serialize) -> String {
    to_json(value).expect_err("it has no form").to_string()
}

#[derive(Serialize)]
enum Shape {
    Point,
    Circle(f64),
    Line(u8, u8),
    Rect { w: f32, h: f32 },
}

#[derive(Serialize)]
struct Order {
    zeta: u8,
    #[serde(flatten)]
    inner: Inner,
    #[serde(flatten)]
    rest: HashMap<String, u8>,
    alpha: u8,
}

#[derive(Serialize)]
struct Inner {
    y: Option<u8>,
    b: (),
}

#[derive(Serialize)]
struct Cart {
    items: Vec<Item>,
    by_name: BTreeMap<String, Item>,
}

#[derive(Serialize)]
struct Item {
    price: f64,
}

#[test]
fn variants_are_written_as_serde_json_writes_them() {
    for (shape, json) in [
        (Shape::Point, r#""Point""#),
        (Shape::Circle(2.0), r#"{"Circle":2}"#),
        (Shape::Line(1, 2), r#"{"Line":[1,2]}"#),
        (
            Shape::Rect { w: 0.1, h: 1e-7 },
            r#"{"Rect":{"w":0.1,"h":1e-7}}"#,
        ),
    ] {
        assert_eq!(written(&shape), json);
    }
}

#[test]
fn maps_of_any_kind_are_sorted_by_the_bytes_of_their_keys_and_structs_keep_their_order() {
    let map: HashMap<String, i32> = (0..50).map(|n| (n.to_string(), n)).collect();
    let mut keys: Vec<_> = map.keys().cloned().collect();
    keys.sort();
    let expected: Vec<_> = keys.iter().map(|key| format!("\"{key}\":{key}")).collect();
    let expected = format!("{{{}}}", expected.join(","));
    assert_eq!(written(&map), expected);
    let numbers: HashMap<u64, u64> = (0..50).map(|n| (n, n)).collect();
    assert_eq!(written(&numbers), expected, "numbers are sorted as texts");
    assert_eq!(
        written(&json!({"b": 1, "a": {"d": null, "c": []}})),
        r#"{"a":{"c":[],"d":null},"b":1}"#
    );
    let letters = BTreeMap::from([('é', 1), ('z', 2), ('Z', 3)]);
    assert_eq!(written(&letters), r#"{"Z":3,"z":2,"é":1}"#);

    let order = Order {
        zeta: 1,
        inner: Inner { y: None, b: () },
        rest: HashMap::from([("q".to_owned(), 3), ("p".to_owned(), 2)]),
        alpha: 4,
    };
    assert_eq!(
        written(&order),
        r#"{"zeta":1,"y":null,"b":null,"alpha":4,"p":2,"q":3}"#
    );
}

#[test]
fn json_in_a_raw_value_is_compacted_and_escaped() {
    /// serde_json's `RawValue`, which is behind a feature.
    #[derive(Serialize)]
    #[serde(rename = "$serde_json::private::RawValue")]
    struct Raw {
        json: &'static str,
    }
    let json = r#" { "a<b" : [ 1.0, "x \" &  y" ],  "c": "\\" } "#;
    assert_eq!(
        written(&Raw { json }),
        r#"{"a\u003cb":[1.0,"x \" \u0026  y"],"c":"\\"}"#
    );
}

#[test]
fn bytes_are_a_list_as_serde_json_reads_them() {
    struct Raw(&'static [u8]);
    impl Serialize for Raw {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(self.0)
        }
    }
    assert_eq!(written(&Raw(&[0, 255])), "[0,255]");
}

#[test]
fn nan_and_infinity_are_refused_with_their_path() {
    let item = |price| Item { price };
    let cart = Cart {
        items: vec![item(1.0), item(2.0), item(f64::NAN)],
        by_name: BTreeMap::new(),
    };
    assert_eq!(
        fault(&cart),
        "JSON has no NaN and no infinity at `items[2].price`"
    );
    let cart = Cart {
        items: Vec::new(),
        by_name: BTreeMap::from([("secret".to_owned(), item(f64::INFINITY))]),
    };
    assert_eq!(
        fault(&cart),
        "JSON has no NaN and no infinity at `by_name[…].price`"
    );
    assert_eq!(
        fault(&Shape::Circle(f64::NAN)),
        "JSON has no NaN and no infinity at `Circle`"
    );
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(fault(&value), "JSON has no NaN and no infinity");
        assert_eq!(
            fault(&(1, Some(value))),
            "JSON has no NaN and no infinity at `[1]`"
        );
    }
}

#[test]
fn a_key_that_is_no_text_and_no_number_is_refused() {
    let map = BTreeMap::from([((1, 2), 3)]);
    assert_eq!(
        fault(&map),
        "the key of a map is neither a text nor a number"
    );
}
