/* roster.pml -- the signed list of members, changed by several operators at once.                               (Spin 6.5.2)
 * A roster document: epoch, the hash of its predecessor, its members and their lives. It comes into force at a member whose own
 * roster is its predecessor, once a majority of that predecessor's members has countersigned it. Documents and signatures are
 * facts: once made they may reach anybody, at any time, any number of times, or never (gossip, an operator's files).
 *
 *   1: {0,1,2}      2: {0,1,2,3,4} and 3: {0,1,4}, two operators' successors of 1
 *                   4: {0,1,3} and 5: {2,3,4}, successors of 2;   6: {1,4}, a successor of 3
 *
 * Plain rule (-DPLAIN): a member countersigns one successor of the roster that is in force at it, ever, and writes that down
 * first. Safe, but two operators may split the votes for ever (-DLIVE shows it).
 * Rule with rounds: a signature names a round, which belongs to one run of one operator's tool. The tool first asks. A member
 * that answers writes that it signs in no earlier round, and tells which document it has signed, and in which round. With
 * answers from a majority the tool proposes the document of the highest of those rounds, or its own if there is none; members
 * sign it unless they have answered a later round. In force: a majority of signatures of one round.
 *
 * A member that lost its disk starts again from the first roster. It may have forgotten a signature, so it answers and signs
 * nothing until a roster is in force at it that names its new life (such a document was made after the loss).
 * A later roster is reached along the chain, one epoch at a time; an earlier one is never taken again. Regions 3 and 4 hold
 * the first roster from the start, as an operator gives it to a newcomer; 5 is in no roster and only reads them.
 * Not modelled: the operators' own keys (what no operator has signed is refused at the door), what else a roster says. A quota
 * document has one signer, the operator's key: PLAIN with one member, and a fork means that the key signed twice.
 */
#ifndef W
#define W 2           /* rounds for each epoch */
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef LOSSES
#define LOSSES 0
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef EPOCHS
#define EPOCHS 3      /* 2: documents 2 and 3 only */
#endif
#define N 6
#define Bt(i) (1<<(i))
#define IN(i,m) (((m)>>(i))&1)
#define EPOCH(d) ((d)==1 -> 1 : ((d)<4 -> 2 : 3))
#define PRED(d) ((d)<4 -> 1 : ((d)<6 -> 2 : 3))
#define MEM(d) ((d)==1 -> 7 : ((d)==2 -> 31 : ((d)==3 -> 19 : ((d)==4 -> 11 : ((d)==5 -> 28 : 18)))))
#define FIRST(p) ((p)==1 -> 2 : ((p)==2 -> 4 : 6))
#define LAST(p) ((p)==1 -> 3 : ((p)==2 -> 5 : 6))
#define CNT(m) (((m)&1)+(((m)>>1)&1)+(((m)>>2)&1)+(((m)>>3)&1)+(((m)>>4)&1))
#define MAJ(m,g) (2*CNT((m)&(g))>CNT(g))
#define Sl(p,w) ((p)*W+(w))

byte cur[N]=1;                                    /* durable: the roster in force at this member */
byte pw[N]; byte sd[N]; byte sw[N];               /* durable, about the successor of cur: rounds below pw are closed; signed sd in round sw-1 */
byte life[N];                                     /* 0: as the first roster names it; 1: lost its disk, not named yet */
/* facts, per predecessor and round: who answered; the document and round of the highest answer; proposed; who signed; new lives named */
byte an[4*W]; byte hd[4*W]; byte hr[4*W]; byte pd[4*W]; byte sg[4*W]; byte nm[4*W];
byte crashes=CRASHES; byte losses=LOSSES; byte deaths=DEATHS; bit dead[N];
byte top=1;                                       /* ghost: the newest roster that is or was in force anywhere */

#ifdef M_NEWMAJ                  /* the members that a document itself names decide, not those of its predecessor */
#define ELECTORS(p,d) MEM(d)
#else
#define ELECTORS(p,d) MEM(p)
#endif
#define ONE(d,w) (pd[Sl(PRED(d),w)]==(d) && MAJ(sg[Sl(PRED(d),w)],ELECTORS(PRED(d),d)))
#if W==2
#define VALID(d) (ONE(d,0) || ONE(d,1))
#else
#define VALID(d) (ONE(d,0) || ONE(d,1) || ONE(d,2))
#endif
#ifdef M_NOHASH                  /* a document says which epoch it is, not what it follows */
#define FOLLOWS(p,i) (EPOCH(p)==EPOCH(cur[i]))
#else
#define FOLLOWS(p,i) ((p)==cur[i])
#endif
#ifdef M_AMNESIA                 /* a member that lost its disk signs again at once */
#define NAMED(i) 1
#else
#define NAMED(i) (life[i]==0)
#endif
#ifdef M_TWICE                   /* a member signs whatever it is asked to sign */
#define FREE(i,w) 1
#elif defined(PLAIN)
#define FREE(i,w) (sd[i]==0)
#else
#define FREE(i,w) ((w)+1>=pw[i] && (w)+1>sw[i])
#endif
#if defined(PLAIN) || defined(M_UNASKED)          /* M_UNASKED: a round is begun without asking */
#define ASKED(p,w) 1
#else
#define ASKED(p,w) MAJ(an[Sl(p,w)],MEM(p))
#endif
#ifdef M_OWNDOC                  /* the tool asks, and proposes its own document whatever the answers say */
#define CHOICE(p,w) 0
#else
#define CHOICE(p,w) hd[Sl(p,w)]
#endif
#define SIGNER(i,p,w) IN(i,ELECTORS(p,pd[Sl(p,w)]))

#define LOST (life[0]+2*life[1]+4*life[2]+8*life[3]+16*life[4])
#ifdef PLAIN
#define TRY(w,n) ((w)==(n))
#else
#define TRY(w,n) 1
#endif
#define PROPOSE(p,w) :: atomic { pd[Sl(p,w)]==0 && ASKED(p,w) -> \
     if :: CHOICE(p,w)!=0 -> pd[Sl(p,w)]=CHOICE(p,w) :: CHOICE(p,w)==0 && TRY(w,0) -> pd[Sl(p,w)]=FIRST(p) :: CHOICE(p,w)==0 && TRY(w,1) -> pd[Sl(p,w)]=LAST(p) fi; \
     if :: LOST!=0 -> nm[Sl(p,w)]=LOST :: skip fi }
#define ANSWER(p,w) :: atomic { !dead[i] && (p)==cur[i] && IN(i,MEM(p)) && NAMED(i) && (w)+1>pw[i] -> pw[i]=(w)+1; an[Sl(p,w)]=an[Sl(p,w)]|Bt(i); \
     if :: sd[i]>0 && sw[i]>hr[Sl(p,w)] -> hd[Sl(p,w)]=sd[i]; hr[Sl(p,w)]=sw[i] :: else fi }
#define SIGN(p,w) :: atomic { !dead[i] && pd[Sl(p,w)]>0 && FOLLOWS(p,i) && SIGNER(i,p,w) && NAMED(i) && FREE(i,w) && !IN(i,sg[Sl(p,w)]) -> \
     sd[i]=pd[Sl(p,w)]; sw[i]=(w)+1; if :: (w)+1>pw[i] -> pw[i]=(w)+1 :: else fi; sg[Sl(p,w)]=sg[Sl(p,w)]|Bt(i) }
#ifdef PLAIN
#define ROUND(p,w) SIGN(p,w)
#else
#define ROUND(p,w) ANSWER(p,w) SIGN(p,w)
#endif

#ifdef M_JUMP                    /* a member takes any later roster that a majority of its own roster's members has signed */
#define TAKES(d) (EPOCH(d)>EPOCH(cur[i]) && (SIGNED(d,0) || SIGNED(d,1)))
#define SIGNED(d,w) (pd[Sl(PRED(d),w)]==(d) && MAJ(sg[Sl(PRED(d),w)],MEM(cur[i])))
#elif defined(M_BACK)            /* a member takes any valid roster */
#define TAKES(d) (cur[i]!=(d) && VALID(d))
#elif defined(M_NOHASH)
#define TAKES(d) (EPOCH(d)==EPOCH(cur[i])+1 && (SIGNED(d,0) || SIGNED(d,1)))
#define SIGNED(d,w) (pd[Sl(PRED(d),w)]==(d) && MAJ(sg[Sl(PRED(d),w)],MEM(cur[i])))
#else
#define TAKES(d) (PRED(d)==cur[i] && VALID(d))
#endif
#define NAMES(d,w) (pd[Sl(PRED(d),w)]==(d) && IN(i,nm[Sl(PRED(d),w)]))
#define ADOPT(d) :: atomic { !dead[i] && TAKES(d) -> \
     assert(EPOCH(d)>EPOCH(cur[i])); \
     if :: EPOCH(d)>EPOCH(top) -> assert(PRED(d)==top || EPOCH(d)>EPOCH(top)+1); top=d \
        :: EPOCH(d)==EPOCH(top) -> assert(d==top) \
        :: else -> assert(PRED(top)==d) fi; \
     cur[i]=d; sd[i]=0; sw[i]=0; pw[i]=0; \
     if :: NAMES(d,0) || NAMES(d,1) -> life[i]=0 :: else fi }

proctype Operators() {
end: do
  PROPOSE(1,0)
  PROPOSE(1,1)
#if EPOCHS>2
  PROPOSE(2,0)
  PROPOSE(2,1)
  PROPOSE(3,0)
#endif
#if W>2
  PROPOSE(1,2)
#endif
  od
}
proctype Member(byte i) {
end: do
  ROUND(1,0)
  ROUND(1,1)
#if W>2
  ROUND(1,2)
#endif
  ADOPT(2)
  ADOPT(3)
#if EPOCHS>2
  ROUND(2,0)
  ROUND(2,1)
  ROUND(3,0)
  ADOPT(4)
  ADOPT(5)
  ADOPT(6)
#endif
#ifdef M_VOLATILE                /* what was signed and answered is in memory only */
  :: atomic { crashes>0 && !dead[i] -> crashes--; sd[i]=0; sw[i]=0; pw[i]=0 }
#endif
  :: atomic { losses>0 && !dead[i] && i<3 -> losses--; cur[i]=1; sd[i]=0; sw[i]=0; pw[i]=0; life[i]=1 }
  :: atomic { deaths>0 && !dead[i] && i<3 -> deaths--; dead[i]=1 }
  od
}
proctype Monitor() {
end: do                                                           /* no two valid rosters of one epoch */
  :: atomic { VALID(2) && VALID(3) -> assert(false) }
  :: atomic { VALID(4) && VALID(5) -> assert(false) }
  :: atomic { VALID(6) && (VALID(4) || VALID(5)) -> assert(false) }
#ifdef LIVE
  :: atomic { timeout -> assert(EPOCH(top)>1); break }
#endif
  od
}
init { atomic { run Monitor(); run Operators(); run Member(0); run Member(1); run Member(2); run Member(3); run Member(4); run Member(5) } }
