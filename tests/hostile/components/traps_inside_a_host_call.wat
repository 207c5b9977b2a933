;; Traps in the allocator that the host calls for its answer.
(func $attack (result i32)
    (drop (memory.grow (i32.const 1023)))
    (global.set $heap (i32.const -65536))
    (call $random_bytes (i64.const 65000) (i32.const 3072))
    unreachable)
