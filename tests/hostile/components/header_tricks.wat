;; Counts the forged headers that it may put into a request: none.
(data (i32.const 700) "host\00content-length\00transfer-encoding\00connection\00bad name\00")
(data (i32.const 800) "1\0d\0ax-forged: 1\00")
(func $try (param $fields i32) (param $name i32) (param $name_len i32) (param $value_len i32) (result i64)
    (call $append (local.get $fields) (local.get $name) (local.get $name_len)
        (i32.const 800) (local.get $value_len) (i32.const 3100))
    (i64.extend_i32_u (i32.eqz (i32.load8_u (i32.const 3100)))))
(func $attack (result i32)
    (local $fields i32)
    (local.set $fields (call $fields))
    (call $number
        (i64.add (i64.add (i64.add (i64.add (i64.add
            (call $try (local.get $fields) (i32.const 700) (i32.const 4) (i32.const 1))
            (call $try (local.get $fields) (i32.const 720) (i32.const 17) (i32.const 1)))
            (call $try (local.get $fields) (i32.const 738) (i32.const 10) (i32.const 1)))
            (call $try (local.get $fields) (i32.const 749) (i32.const 8) (i32.const 1)))
            ;; A good name, and a value that would end the line.
            (call $try (local.get $fields) (i32.const 516) (i32.const 13) (i32.const 15)))
            (call $try (local.get $fields) (i32.const 516) (i32.const 0) (i32.const 1)))))
