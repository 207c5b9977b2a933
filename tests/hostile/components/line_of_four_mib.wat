;; Logs one line of 4 MiB.
(func $attack (result i32)
    (drop (memory.grow (i32.const 100)))
    (memory.fill (i32.const 65536) (i32.const 0x78) (i32.const 4194304))
    (call $log (i32.const 2) (i32.const 65536) (i32.const 4194304))
    (call $number (i64.const 0)))
