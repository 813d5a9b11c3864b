"""The replicated logs of adoptable jobs: who leads one, what a leader may do, and what members hold."""
