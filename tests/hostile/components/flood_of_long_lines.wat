;; Logs 60 KiB at a time for ever.
(func $attack (result i32)
    (memory.fill (i32.const 4096) (i32.const 0x78) (i32.const 4000))
    (memory.fill (i32.const 16384) (i32.const 0x78) (i32.const 40000))
    (loop $again (call $log (i32.const 4) (i32.const 16384) (i32.const 40000)) (br $again))
    unreachable)
