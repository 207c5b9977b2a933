;; Answers with 10,000 arrays, each in the one before.
(func $attack (result i32)
    (memory.fill (i32.const 16384) (i32.const 0x91) (i32.const 10000))
    (i32.store8 (i32.const 26384) (i32.const 0xc0))
    (call $bytes (i32.const 16384) (i32.const 10001)))
