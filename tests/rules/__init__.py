"""Trees of manifests for the rules of experience: `ID/fails` is found at the lines marked so, `ID/passes` is not."""
