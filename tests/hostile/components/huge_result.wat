;; Answers with 32 MiB.
(func $attack (result i32)
    (drop (memory.grow (i32.const 600)))
    (call $bytes (i32.const 65536) (i32.const 33554432)))
