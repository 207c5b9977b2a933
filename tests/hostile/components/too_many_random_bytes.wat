;; Asks for more random bytes than one request may have.
(func $attack (result i32)
    (call $random_bytes (i64.const 1000000000) (i32.const 3072))
    unreachable)
