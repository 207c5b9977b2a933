;; Adds headers to one request for ever.
(func $attack (result i32)
    (local $fields i32)
    (local.set $fields (call $fields))
    (loop $again
        (call $append (local.get $fields) (i32.const 516) (i32.const 13) (i32.const 541) (i32.const 5) (i32.const 3100))
        (br $again))
    unreachable)
