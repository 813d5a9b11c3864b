/* escrow.pml -- a global quota as rights that lie in accounts and move between them.                            (Spin 6.5.2)
 * Three accounts (an account: a region's own ledger for `wait` jobs, or a shard's log for adoptable ones: whatever remembers what
 * it wrote). Rights move by the transfer of handoff.pml: the giver writes XFER and its smaller balance in one transaction,
 * sends COMMIT until it is answered; the target decides each transfer once, durably: its larger balance and "accepted" in one
 * transaction, or "burned"; BURNED gives the rights back to the giver. Asking for rights is soft and left out: any account may
 * give at any moment, up to K times, one right (or the job with its right).
 * A sent message stays deliverable for ever (loss, duplicates, reordering, partitions); a crash may fall between any two steps.
 *
 *   hv[i]  rights held, in use or free           us[i]  rights in use by running jobs, never more than hv[i]
 * One job (jq: who has it queued) may move with its right: one XFER, one COMMIT, one decision for both.
 *
 * Quota documents 1 -> 2 -> 3 (limits LIM): each is taken once, in order, by the quota's keeper (account 0), which writes the
 * number of the document with its effect. Raised: it mints. Lowered: it owes (debt), burns its free rights until that is paid,
 * and starts and gives nothing meanwhile. So held + undecided transfers = limit + debt, always, and what may be in use is the
 * largest limit that is not revoked everywhere yet. Nobody else mints, so a forked document does no harm but to be refused.
 * Not modelled: a lost disk (its rights are gone until an operator has them minted anew), who asks whom, amounts above one.
 */
#ifndef K
#define K 1           /* transfers for each giver */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#define X(i,k) ((i)*K+(k))
#define LIM(d) ((d)==1 -> 2 : ((d)==2 -> 3 : 1))
mtype = { FREE, XFER, GIVEN, BACK };

/* durable */
byte hv[3]; byte us[3]; bit jq[3];
mtype ts[3*K]; byte xto[3*K]; bit xj[3*K]; byte n[3];     /* the giver's transfers: state, target, with the job? how many so far */
bit acc[3*K]; bit burn[3*K];                              /* the target's decision */
byte doc=1; byte debt; byte unpaid=2;                     /* the keeper's; ghost: the largest limit not yet revoked everywhere */
/* messages, for ever */
bit mCom[3*K]; bit mOk[3*K]; bit mNo[3*K];
bit jdone; byte crashes=CRASHES;
#ifdef M_MINTTWICE
byte seen=1;
#endif

#define UNDECIDED(x) (ts[x]==XFER && !acc[x])
#if K==1
#define FLYING (UNDECIDED(0)+UNDECIDED(1)+UNDECIDED(2))
#define JFLYING ((UNDECIDED(0)&&xj[0])+(UNDECIDED(1)&&xj[1])+(UNDECIDED(2)&&xj[2]))
#else
#define FLYING (UNDECIDED(0)+UNDECIDED(1)+UNDECIDED(2)+UNDECIDED(3)+UNDECIDED(4)+UNDECIDED(5))
#define JFLYING ((UNDECIDED(0)&&xj[0])+(UNDECIDED(1)&&xj[1])+(UNDECIDED(2)&&xj[2])+(UNDECIDED(3)&&xj[3])+(UNDECIDED(4)&&xj[4])+(UNDECIDED(5)&&xj[5]))
#endif
#define HELD (hv[0]+hv[1]+hv[2])
#define USED (us[0]+us[1]+us[2])
#define SPARE(i) (hv[i]>us[i] && !(i==0 && debt>0))
#ifdef M_LATEDEBIT               /* rights leave the giver when COMMITTED comes */
#define DEBIT(i) skip
#define DEBITED(i) hv[i]--
#define CREDITBACK(i) skip
#else
#define DEBIT(i) hv[i]--
#define DEBITED(i) skip
#define CREDITBACK(i) hv[i]++
#endif
#ifdef M_DOUBLE                  /* a COMMIT that comes again is credited again */
#define AGAIN(x) (mCom[x] && acc[x] && crashes>0)
#else
#define AGAIN(x) 0
#endif
#ifdef M_FORK                    /* every region that reads a document mints what it adds */
byte doc1=1;
#define MINTER 1
#endif
#ifdef M_LOWERNOW                /* lowering takes what is in use too */
#define PAYABLE (hv[0]>0)
#else
#define PAYABLE (hv[0]>us[0])
#endif

#define GIVE(d) :: atomic { n[i]<K && SPARE(i) && i!=(d) -> x=X(i,n[i]); n[i]++; DEBIT(i); ts[x]=XFER; xto[x]=d; x=0 } \
  :: atomic { n[i]<K && SPARE(i) && i!=(d) && jq[i] -> x=X(i,n[i]); n[i]++; DEBIT(i); jq[i]=0; xj[x]=1; ts[x]=XFER; xto[x]=d; x=0 }
#define GIVER(x) \
  :: atomic { ts[x]==XFER && !mCom[x] -> mCom[x]=1 } \
  :: atomic { ts[x]==XFER && mOk[x] -> ts[x]=GIVEN; DEBITED(i) } \
  :: atomic { ts[x]==XFER && mNo[x] -> ts[x]=BACK; CREDITBACK(i); if :: xj[x] -> jq[i]=1 :: else fi }
#define TARGET(x) \
  :: atomic { mCom[x] && xto[x]==i && !acc[x] && !burn[x] -> acc[x]=1; hv[i]++; if :: xj[x] -> jq[i]=1 :: else fi } \
  :: atomic { mCom[x] && xto[x]==i && !acc[x] && !burn[x] -> burn[x]=1 } \
  :: atomic { AGAIN(x) && xto[x]==i -> crashes--; hv[i]++ } \
  :: atomic { mCom[x] && xto[x]==i && acc[x] && !mOk[x] -> mOk[x]=1 } \
  :: atomic { mCom[x] && xto[x]==i && burn[x] && !mNo[x] -> mNo[x]=1 }

proctype Account(byte i) { byte x;
end: do
  GIVE(0)
  GIVE(1)
  GIVE(2)
  GIVER(X(i,0))
#if K>1
  GIVER(X(i,1))
#endif
  TARGET(0)
  TARGET(1)
  TARGET(2)
#if K>1
  TARGET(3)
  TARGET(4)
  TARGET(5)
#endif
  /* jobs that need one right each start and end; the one job that moves is one of them */
  :: atomic { SPARE(i) -> us[i]++ }
  :: atomic { us[i]>0 -> us[i]-- }
  :: atomic { SPARE(i) && jq[i] && !jdone -> jq[i]=0; jdone=1 }
#ifdef M_TIMEOUT                 /* rights come back when the target is silent */
  :: atomic { ts[X(i,0)]==XFER && mCom[X(i,0)] -> ts[X(i,0)]=BACK; hv[i]++ }
#endif
#ifdef M_EARLY                   /* COMMIT is sent before XFER is written; a crash in between */
  :: atomic { n[i]<K && SPARE(i) && crashes>0 -> crashes--; x=X(i,n[i]); xto[x]=(i+1)%3; mCom[x]=1; x=0 }
#endif
#ifdef M_SOFTBURN                /* a refusal is kept in memory only; a crash */
  :: atomic { crashes>0 && burn[X((i+1)%3,0)] && xto[X((i+1)%3,0)]==i -> crashes--; burn[X((i+1)%3,0)]=0 }
#endif
#ifdef M_JOBALONE                /* the job is accepted in one transaction, its right in another; a crash in between, COMMIT again */
  :: atomic { crashes>0 && mCom[X((i+1)%3,0)] && xj[X((i+1)%3,0)] && xto[X((i+1)%3,0)]==i && !acc[X((i+1)%3,0)] && !burn[X((i+1)%3,0)] -> crashes--; hv[i]++ }
#endif
  od
}
proctype Keeper() {
end: do
  :: atomic { doc<3 -> doc++;
       if
       :: LIM(doc)>LIM(doc-1) -> hv[0]=hv[0]+LIM(doc)-LIM(doc-1); if :: LIM(doc)>unpaid -> unpaid=LIM(doc) :: else fi
       :: else -> debt=debt+LIM(doc-1)-LIM(doc)
       fi }
  :: atomic { debt>0 && PAYABLE -> debt--; hv[0]--; if :: debt==0 -> unpaid=LIM(doc) :: else fi }
#ifdef M_FORK
  :: atomic { doc1<2 -> doc1=2; hv[1]=hv[1]+LIM(2)-LIM(1) }
#endif
#ifdef M_MINTTWICE               /* what was minted and the document's number are two transactions; a crash in between */
  :: atomic { crashes>0 && doc==1 -> crashes--; hv[0]=hv[0]+LIM(2)-LIM(1) }
#endif
  od
}
proctype Monitor() {
end: do
  :: atomic { HELD+FLYING!=LIM(doc)+debt -> assert(HELD+FLYING==LIM(doc)+debt) }
  :: atomic { us[0]>hv[0] || us[1]>hv[1] || us[2]>hv[2] -> assert(false) }
  :: atomic { USED>unpaid -> assert(USED<=unpaid) }
  :: atomic { jq[0]+jq[1]+jq[2]+JFLYING+jdone!=1 -> assert(false) }
  :: atomic { timeout -> assert(FLYING==0); break }                     /* no transfer stays undecided when messages arrive */
  od
}
init { atomic { hv[0]=1; hv[1]=1; jq[0]=1;
  ts[0]=FREE; ts[1]=FREE; ts[2]=FREE;
#if K>1
  ts[3]=FREE; ts[4]=FREE; ts[5]=FREE;
#endif
  run Monitor(); run Keeper(); run Account(0); run Account(1); run Account(2) } }
