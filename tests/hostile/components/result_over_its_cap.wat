;; Answers with one byte more than 4 MiB.
(func $attack (result i32)
    (drop (memory.grow (i32.const 100)))
    (call $bytes (i32.const 65536) (i32.const 4194305)))
