;; Answers with as many items as 4 MiB can hold, each of which would take 32 bytes of whoever builds them.
(func $attack (result i32)
    (drop (memory.grow (i32.const 100)))
    (memory.fill (i32.const 65536) (i32.const 0xc0) (i32.const 4194304))
    (i32.store8 (i32.const 65536) (i32.const 0xdd))
    (i32.store (i32.const 65537) (i32.const 0xfbff3f00))
    (call $bytes (i32.const 65536) (i32.const 4194304)))
