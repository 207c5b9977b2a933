;; Has the host write its answer outside of the memory.
(func $attack (result i32)
    (global.set $heap (i32.const -64))
    (call $random_bytes (i64.const 200) (i32.const 3072))
    unreachable)
