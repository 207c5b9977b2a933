use super::*;

fn run(input: &Value) -> Result<ProcessResult<Value>> {
    ActionContext::for_test().run::<ValidateUser>(input)
}

/// What is wrong with the record: field and rule.
fn wrong(record: &Value) -> Vec<(String, String)> {
    let mut input = record.clone();
    input["on_invalid"] = json!("branch");
    let part = |error: &Value, key: &str| error[key].as_str().map(str::to_owned);
    match run(&input).expect("answers") {
        ProcessResult::Success(output) => {
            assert_eq!(output["validated"], true);
            Vec::new()
        }
        ProcessResult::Branch { port, output } => {
            assert_eq!(
                (port.as_str(), &output["validated"]),
                ("invalid", &json!(false))
            );
            let errors = output["errors"].as_array().expect("a list").iter();
            errors
                .map(|e| {
                    (
                        part(e, "field").expect("a field"),
                        part(e, "rule").expect("a rule"),
                    )
                })
                .collect()
        }
        other => panic!("{other:?}"),
    }
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(field, rule): &(&str, &str)| ((*field).to_owned(), (*rule).to_owned());
    list.iter().map(owned).collect()
}

#[test]
fn a_valid_user_goes_on_as_it_came() {
    for record in [
        json!({ "email": "user@example.com" }),
        json!({
            "email": "ada@example.com", "name": "Ada Lovelace", "username": "ada.l", "age": 36,
            "password": "correct horse", "phone": "+442071234567", "plan": { "id": 7 }, "name_of_pet": null,
        }),
        json!({ "email": "ada@example.com", "name": null, "age": 36.0 }),
    ] {
        let expected = json!({ "validated": true, "data": record });
        assert_eq!(run(&record), Ok(ProcessResult::Success(expected)));
    }
}

#[test]
fn each_field_names_the_rule_that_it_breaks() {
    for (field, value, rule) in [
        ("email", json!("nobody"), "format"),
        ("email", json!(5), "type"),
        ("email", json!(null), "required"),
        ("email", json!(""), "required"),
        ("name", json!("Ada\nLovelace"), "format"),
        ("name", json!("  "), "format"),
        ("name", json!("a".repeat(201)), "length"),
        ("username", json!("-ada"), "format"),
        ("username", json!("ada lovelace"), "format"),
        ("username", json!("a".repeat(65)), "length"),
        ("password", json!("1234567"), "length"),
        ("password", json!("p".repeat(257)), "length"),
        ("password", json!(12_345_678), "type"),
        ("password", json!("my-lovelace-9"), "strength"),
        ("phone", json!("030 1234567"), "format"),
        ("phone", json!("+0301234567"), "format"),
        ("phone", json!("+1234567890123456"), "format"),
        ("age", json!(-1), "range"),
        ("age", json!(151), "range"),
        ("age", json!(30.5), "range"),
        ("age", json!("30"), "type"),
    ] {
        let mut record = json!({ "email": "Lovelace@example.com" });
        record[field] = value;
        assert_eq!(wrong(&record), pairs(&[(field, rule)]), "{record}");
    }
}

#[test]
fn rules_narrow_what_holds() {
    let record = json!({
        "email": "ada@example.com", "username": "ada", "password": "all lower", "age": 17, "name": "Ada",
        "rules": {
            "require": ["phone", "email"],
            "username": { "min": 4 },
            "password_kinds": 3,
            "age": { "min": 18, "max": 120 },
            "name": { "max": 2 },
        },
    });
    let expected = [
        ("phone", "required"),
        ("name", "length"),
        ("username", "length"),
        ("password", "strength"),
        ("age", "range"),
    ];
    assert_eq!(wrong(&record), pairs(&expected));
}

#[test]
fn a_record_that_brings_its_own_rules_cannot_widen_what_holds() {
    for (rules, part) in [
        (
            json!({ "password": { "min": 1 } }),
            "rules.password: 1 to 256 is not within 8 to 256",
        ),
        (json!({ "age": { "max": 900 } }), "rules.age: 0 to 900"),
        (
            json!({ "name": { "min": 3, "max": 2 } }),
            "rules.name: 3 to 2",
        ),
        (json!({ "password_kinds": 0 }), "rules.password_kinds"),
        (json!({ "email": { "optional": true } }), "rules"),
    ] {
        let input = json!({ "email": "ada@example.com", "password": "1", "rules": rules });
        let error = run(&input).expect_err("refused");
        assert!(
            matches!(&error, ActionError::InvalidInput(why) if why.contains(part)),
            "{error}"
        );
    }
}

#[test]
fn a_bad_record_fails_with_every_problem_and_without_its_secrets() {
    let input = json!({ "email": "nobody", "username": "secret!", "password": "secret7" });
    let Err(ActionError::InvalidInput(message)) = run(&input) else {
        panic!("invalid input expected");
    };
    for part in [
        "the user is not valid: ",
        "email: has no `@`",
        "username: ",
        "password: has 7 characters",
    ] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!message.contains("secret"), "{message}");
}
