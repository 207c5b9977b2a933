use proptest::prelude::*;

use super::*;

fn run(input: &Value) -> Result<ProcessResult<Value>> {
    ActionContext::for_test().run::<Authenticate>(input)
}

/// RFC 4231's cases 1, 2 and 6 for SHA-2, RFC 2202's 1 and 2 for SHA-1.
#[test]
fn the_published_vectors_hold() {
    let hi = ("0b".repeat(20), "Hi There");
    let jefe = ("4a656665".to_owned(), "what do ya want for nothing?");
    let long = (
        "aa".repeat(131),
        "Test Using Larger Than Block-Size Key - Hash Key First",
    );
    for ((key, data), algorithm, mac) in [
        (
            &hi,
            "sha256",
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
        ),
        (
            &jefe,
            "sha256",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        ),
        (
            &long,
            "sha256",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
        (
            &hi,
            "sha512",
            "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
        ),
        (
            &jefe,
            "sha512",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ),
        (
            &long,
            "sha512",
            "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f3526b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
        ),
        (&hi, "sha1", "b617318655057264e28bc0b6fb378c8ef146be00"),
        (&jefe, "sha1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
    ] {
        let input =
            json!({ "key": key, "key_encoding": "hex", "data": data, "algorithm": algorithm });
        let expected = json!({ "mac": mac });
        assert_eq!(
            run(&input),
            Ok(ProcessResult::Success(expected)),
            "{algorithm} {data}"
        );
    }
}

fn signed(expected: &str, on_invalid: &str) -> Result<ProcessResult<Value>> {
    run(&json!({
        "key": "Jefe",
        "data": "what do ya want for nothing?",
        "expected": expected,
        "on_invalid": on_invalid,
    }))
}

const RIGHT: &str = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

#[test]
fn the_expected_code_passes_and_is_not_repeated() {
    for expected in [RIGHT, &RIGHT.to_uppercase()] {
        let result = signed(expected, "fail");
        assert_eq!(result, Ok(ProcessResult::Success(json!({ "valid": true }))));
    }
}

#[test]
fn another_code_fails_or_takes_the_port_and_the_right_one_is_not_told() {
    let last = format!("{}4", &RIGHT[..63]);
    let no_code = "not hexadecimal";
    for wrong in [last.as_str(), &RIGHT[..62], "", no_code] {
        let error = signed(wrong, "fail").expect_err(wrong).to_string();
        assert!(
            error.starts_with("expected: ") && !error.contains(RIGHT),
            "{error}"
        );
        let branch = ProcessResult::branch("invalid", json!({ "valid": false }));
        assert_eq!(signed(wrong, "branch"), Ok(branch), "{wrong}");
    }
}

#[test]
fn a_key_that_is_none_is_refused_and_not_repeated() {
    let refused = |key: &str| {
        run(&json!({ "key": key, "key_encoding": "base64", "data": "" }))
            .expect_err("refused")
            .to_string()
    };
    assert_eq!(refused(""), "key: empty");
    assert_eq!(
        refused("c2VjcmV!"),
        "key: not base64: invalid symbol at byte 7"
    );
}

proptest! {
    #[test]
    fn what_was_signed_is_valid_and_nothing_else_is(key in "\\PC{1,80}", data: String, other: String) {
        let mac = |data: &str| match run(&json!({ "key": key, "data": data, "output": "base64" })) {
            Ok(ProcessResult::Success(output)) => output["mac"].as_str().map(str::to_owned),
            _ => None,
        };
        let expected = mac(&data).expect("a code");
        let check = |data: &str| run(&json!({
            "key": key, "data": data, "output": "base64", "expected": expected, "on_invalid": "branch",
        }));
        let valid = Ok(ProcessResult::Success(json!({ "valid": true })));
        prop_assert_eq!(check(&data), valid.clone());
        prop_assert_eq!(check(&other) == valid, data == other);
    }
}
