;; Fails with a message that is not UTF-8.
(func $attack (result i32)
    (i64.store (i32.const 541) (i64.const -1))
    (call $error (i32.const 1)))
