;; Asks for a credential that its description does not name; says which error it got.
(data (i32.const 700) "prod-database")
(func $attack (result i32)
    (call $credential (i32.const 700) (i32.const 13) (i32.const 3072))
    (if (i32.eqz (i32.load8_u (i32.const 3072))) (then unreachable))
    (call $number (i64.load8_u (i32.const 3076))))
