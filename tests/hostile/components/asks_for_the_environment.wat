;; Counts the variables of the environment.
(func $attack (result i32)
    (call $environment (i32.const 3072))
    (call $number (i64.load32_u (i32.const 3076))))
