;; Answers with an array that claims four billion items and has none.
(func $attack (result i32)
    (i64.store (i32.const 16384) (i64.const 0xffffffffdd))
    (call $bytes (i32.const 16384) (i32.const 5)))
