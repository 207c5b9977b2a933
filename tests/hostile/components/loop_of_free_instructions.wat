;; Loops for ever over instructions that cost no fuel.
(func $attack (result i32)
    (loop $again
        (block nop nop nop nop (block nop nop (block nop nop nop nop)))
        (drop (i32.const 0)) (drop (i32.const 0)) (drop (i32.const 0))
        (br $again))
    unreachable)
